"""Hostile bytes on the wire, sent to the server as its operators run it (`manage.py serve`)."""

import gzip
import json

import pytest

from config.tests.raw_http import (
    AMBIGUOUS,
    CHUNKED,
    END,
    exchange,
    head,
    http2_headers,
    http2_is_ok,
    memory,
    served,
)

LOGIN = "/api/v1/auth/login"
JSON = "Content-Type: application/json"
CLOSE = "Connection: close"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("wire")) as running:
        yield running


@pytest.fixture(autouse=True)
def _alive(server):
    """Check after each test that the processes of the server are those of before, and serve."""
    before = server.processes()
    yield
    assert exchange(server.port, head("GET", "/nothing", CLOSE)).status == 404
    assert server.processes() == before


def refusal(answer):
    """Return (status, code) of the envelope."""
    error = json.loads(answer.body)
    assert error["success"] is False
    assert error["error"]["requestId"].encode() in answer.head
    return answer.status, error["error"]["code"]


def post(server, body, *lines, path=LOGIN):
    return exchange(
        server.port, head("POST", path, JSON, CLOSE, f"Content-Length: {len(body)}", *lines), body
    )


# --- bodies ----------------------------------------------------------------------------------------


def test_a_body_of_one_mib_is_read_and_one_byte_more_is_not(server):
    def login(size):
        return refusal(post(server, b'{"email":"%s"}' % (b"x" * (size - 12))))

    assert login(MIB) == (400, "VALIDATION_ERROR")
    assert login(MIB + 1) == (413, "PAYLOAD_TOO_LARGE")


def test_bodies_beyond_every_limit_are_refused_in_constant_memory(server):
    declared = head("POST", LOGIN, JSON, f"Content-Length: {100 * MIB}")
    chunked = head("POST", LOGIN, JSON, CHUNKED)
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    before = memory(server.processes())
    for _ in range(3):
        for parts in ([declared], [declared, *[b" " * 65536] * 1600], [chunked, *[chunk] * 1600]):
            assert refusal(exchange(server.port, *parts)) == (413, "PAYLOAD_TOO_LARGE")

    assert memory(server.processes()) - before < 40 * MIB


@pytest.mark.parametrize("lines", [[f"Content-Length: {MIB}"], [CHUNKED]])
def test_a_body_that_never_ends_is_dropped_with_its_client(server, lines):
    answer = exchange(server.port, head("POST", LOGIN, JSON, *lines), b"5\r\n{", ends=True)

    assert answer.status in {None, 400, 408}
    assert answer.responses <= 1


def test_bytes_behind_the_declared_length_are_no_body(server):
    answer = exchange(
        server.port, head("POST", LOGIN, JSON, "Content-Length: 2"), b'{}, "email": "a@b.co"}\r\n\r\n'
    )

    assert answer.status == 400
    assert answer.received.count(b"HTTP/1.1 400") == 2  # the body has no fields; the rest is no request


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Content-Type: text/plain"],
        [JSON, JSON],
        ["Content-Type: application/json; charset=utf-16"],
        ["Content-Type: application/json; charset=bz2_codec"],
        ["Content-Type: application/json; charset=foo"],
        ["Content-Type: application/json\xff"],
        ['Content-Type: application/json; a="' + ";" * 8000],
        [JSON, "Content-Encoding: gzip"],
        [JSON, "Content-Encoding: deflate"],
        [JSON, "Content-Encoding: br"],
    ],
    ids=lambda lines: " ".join(lines)[:60],
)
def test_another_type_or_encoding_is_refused(server, lines):
    bomb = gzip.compress(bytes(10 * MIB))
    request = head("POST", LOGIN, CLOSE, f"Content-Length: {len(bomb)}", *lines)

    assert refusal(exchange(server.port, request, bomb)) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_invalid_utf_8_in_a_body_is_refused(server):
    assert refusal(post(server, b'{"email": "\xff"}')) == (400, "MALFORMED_REQUEST")


# --- lines and headers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/%ff",
        "/%00",
        "/api/v1/%ed%a0%80",
        "/%zz",
        "/..%2f..%2fetc/passwd",
        "//health",
        "/api/v1/" + "x" * 20_000,
    ],
)
def test_odd_paths_are_not_found(server, path):
    assert refusal(exchange(server.port, head("GET", path, CLOSE))) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "path",
    [
        "/admin%0d%0aX-Evil:%20y",
        "/admin/x%0d%0aX-Evil:%20y",
        "/admin/login/?next=%0d%0aX-Evil:%20y",
        "/nope%0d%0aX-Evil:%20y/",
        "/account/reset-password?token=%0d%0aX-Evil:%20y",
        "/api/v1/files?token=%0d%0aX-Evil:%20y",
    ],
)
def test_no_line_of_a_path_becomes_a_header(server, path):
    answer = exchange(server.port, head("GET", path, CLOSE))

    assert 200 <= answer.status < 500
    assert b"\nx-evil" not in answer.head.lower()


@pytest.mark.parametrize(
    "name", ["User-Agent", "X-Request-ID", "Cookie", "Accept", "Range", "Origin", "X-Other"]
)
def test_bytes_that_are_no_text_in_a_header_make_nothing_fail(server, name):
    for path in ("/api/v1/nothing", "/nothing"):
        answer = exchange(server.port, head("GET", path, CLOSE, f"{name}: \xff\xfe\xed\xa0\x80"))
        assert refusal(answer) == (404, "NOT_FOUND")
    answer = exchange(server.port, head("GET", "/api/v1/users/me", CLOSE, "Authorization: Bearer \xff"))
    assert refusal(answer) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    "name", ["Accept", "Authorization", "Cookie", "If-None-Match", "User-Agent", "X-Other"]
)
def test_a_header_over_8_kib_is_refused(server, name):
    def get(size):
        return exchange(server.port, head("GET", "/api/v1/nothing", CLOSE, f"{name}: {'x' * size}"))

    assert refusal(get(8192)) == (404, "NOT_FOUND")
    assert refusal(get(8193)) == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize(
    "lines",
    [
        ["X-A: " + "x" * 16_384],
        [f"X-{number}: {'x' * 8000}" for number in range(12)],
        [f"X-{number}: x" for number in range(500)],
        ["Cookie: " + "; ".join(f"c{number}=x" for number in range(5000))],
        [f"Cookie: c{number}=x" for number in range(5000)],
        ["Accept: " + "a/b;c=d," * 100_000],
    ],
    ids=["16 KiB", "96 KiB", "500 headers", "5000 cookies", "5000 cookie headers", "800 kB"],
)
def test_headers_beyond_every_limit_are_refused(server, lines):
    assert exchange(server.port, head("GET", "/api/v1/nothing", CLOSE, *lines)).status in {400, 431}


def test_headers_of_http_2_have_the_same_limit(server):
    assert http2_is_ok(server.port, http2_headers(4, b"x" * 8000))
    assert not http2_is_ok(server.port, http2_headers(12, b"x" * 8000))


@pytest.mark.parametrize("size", [70_000, 1_000_000])
def test_a_line_beyond_every_limit_is_refused(server, size):
    assert exchange(server.port, head("GET", "/health?" + "x" * size)).status in {400, 414, 431}
    assert exchange(server.port, head("GET", "/" + "x" * size)).status in {400, 414, 431}
    assert exchange(server.port, head("X" * size, "/health")).status in {400, 405, 414, 431}


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "FOO", "get", "Post", "PROPFIND", "X" * 1000])
@pytest.mark.parametrize("path", ["/health/ready", LOGIN, "/"])
def test_another_method_is_refused_with_those_that_are_allowed(server, method, path):
    answer = exchange(server.port, head(method, path, CLOSE))

    if method == "CONNECT":  # has another form of target
        assert answer.status in {400, 404, 405}
    else:
        assert refusal(answer) == (405, "METHOD_NOT_ALLOWED")
        assert b"allow: " in answer.head.lower()


@pytest.mark.parametrize(
    "line",
    [
        "OPTIONS * HTTP/1.1",
        "CONNECT a.example:443 HTTP/1.1",
        "GET http://evil.example/health/ready HTTP/1.1",
        "GET ?x HTTP/1.1",
    ],
)
def test_other_forms_of_a_target_make_nothing_fail(server, line):
    assert 200 <= exchange(server.port, f"{line}\r\nHost: 127.0.0.1\r\n{CLOSE}\r\n\r\n".encode()).status < 500


# --- where a request ends --------------------------------------------------------------------------

SECOND = b"GET /smuggled-%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_a_second_request_on_a_connection_is_served(server):
    """Otherwise the tests that follow would prove nothing."""
    body = b"{}" + head("GET", "/health", CLOSE)

    assert exchange(server.port, head("POST", LOGIN, JSON, "Content-Length: 2"), body).responses == 2


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_behind_an_ambiguous_request_nothing_is_served(server, name):
    lines, rest = AMBIGUOUS[name]
    number = list(AMBIGUOUS).index(name)
    answer = exchange(server.port, head("POST", LOGIN, JSON, *lines) + rest + SECOND % number)

    assert answer.responses == 1, answer.received
    assert 400 <= answer.status < 500
    assert b"/smuggled-%d" % number not in server.logged()


BOTH = ["Content-Length: 5", CHUNKED]


@pytest.mark.parametrize(
    ("start", "body", "status"),
    [
        (
            head("POST", LOGIN, JSON, *BOTH),
            b"2\r\n{}\r\n" + END,
            400,
        ),  # VALIDATION_ERROR: the chunks are the body
        (head("POST", LOGIN, JSON, *reversed(BOTH)), b"2\r\n{}\r\n" + END, 400),
        (head("GET", "/health", *BOTH), END, 200),  # reads no body
        (head("POST", LOGIN, JSON, CHUNKED, version="HTTP/1.0"), END, 400),
    ],
)
def test_with_a_length_the_chunks_decide_and_the_connection_ends(server, start, body, status):
    answer = exchange(server.port, start + body + SECOND % 99)

    assert (answer.responses, answer.status) == (1, status), answer.received
    assert (b"VALIDATION_ERROR" in answer.received) == body.startswith(b"2")
    assert b"/smuggled-99" not in server.logged()


@pytest.mark.parametrize("lines", [["Host: evil.example"], ["Host: 127.0.0.1"], ["Host: 127.0.0.1:80@evil"]])
def test_a_second_host_is_refused(server, lines):
    answer = exchange(server.port, head("GET", "/api/v1/nothing", CLOSE, *lines))

    assert refusal(answer) == (400, "MALFORMED_REQUEST")


def test_a_chunk_extension_is_no_part_of_a_body(server):
    request = head("POST", LOGIN, JSON, CHUNKED, CLOSE)
    answer = exchange(server.port, request + b'2;a="GET / HTTP/1.1"\r\n{}\r\n0\r\n\r\n')

    assert refusal(answer) == (400, "VALIDATION_ERROR")
