import pytest

from benchmarks.load import Failed, Request, parse, quoted

LINE = (
    '{"requests": 300, "seconds": 1.5, "bytes": 9, "p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0, '
    '"connect": 1, "read": 2, "write": 3, "status": 4, "timeout": 5}'
)


def test_the_last_result_is_parsed():
    result = parse(
        f"Running 1s test\nRESULT {LINE.replace('300', '1')}\nRESULT {LINE}\n  10 requests in 1s\n"
    )

    assert result.requests == 300
    assert result.p99 == 3.0


def test_error_responses_do_not_count_in_the_rate():
    assert parse(f"RESULT {LINE}").rate == (300 - 4) / 1.5


def test_errors_are_the_sum_of_all_kinds():
    result = parse(f"RESULT {LINE}")

    assert result.errors == 1 + 2 + 3 + 4 + 5
    assert list(result.failures) == ["connect", "read", "write", "status", "timeout"]


def test_no_result_is_a_failure():
    with pytest.raises(Failed, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused")


def test_every_byte_of_a_text_is_escaped():
    assert quoted('a"\\\nö') == '"\\097\\034\\092\\010\\195\\182"'


def test_a_request_has_its_token_and_its_etag():
    line = Request("GET", "/x", token="t", etag='"v1"').lua

    assert f"[{quoted('Authorization')}] = {quoted('Bearer t')}" in line
    assert f"[{quoted('If-None-Match')}] = " in line
    assert "body" not in line


def test_a_body_has_a_content_type():
    line = Request("POST", "/x", body={"title": "é"}).lua

    assert f"[{quoted('Content-Type')}] = {quoted('application/json')}" in line
    assert f"body = {quoted(chr(123))[:-1]}" in line
