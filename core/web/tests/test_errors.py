"""Failures of every kind: one envelope, and nothing of the cause in it."""

import logging

import pytest
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from django.test import Client

from core.tests.answers import SECRET, code, problems
from core.web import errors

pytestmark = [pytest.mark.django_db, pytest.mark.urls("core.tests.urls")]


@pytest.fixture
def browser():
    """As the world outside: CSRF is checked, and an exception is an answer."""
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


BOTH = pytest.mark.parametrize("kind", ["plain", "api"])


@BOTH
@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        ("unexpected", (500, "INTERNAL_ERROR")),
        ("null", (500, "INTERNAL_ERROR")),
        ("other-integrity", (500, "INTERNAL_ERROR")),
        ("database-away", (503, "SERVICE_UNAVAILABLE")),
        ("connection-lost", (503, "SERVICE_UNAVAILABLE")),
        ("no-descriptors", (503, "SERVICE_UNAVAILABLE")),
        ("taken", (409, "CONFLICT")),
        ("missing", (404, "NOT_FOUND")),
        ("denied", (403, "FORBIDDEN")),
        ("suspicious", (400, "MALFORMED_REQUEST")),
        ("refused", (423, "ACCOUNT_LOCKED")),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_every_failure_has_its_answer_wherever_it_happens(browser, settings, kind, failure, answer, debug):
    settings.DEBUG = debug
    response = browser.get(f"/test/{kind}/{failure}")

    assert code(response) == answer
    assert response["Content-Type"] == "application/json"
    for part in ("hunter2", "secret.py", "SELECT", "Traceback", "core_outbox"):
        assert part not in response.content.decode()


@BOTH
def test_what_nobody_expected_is_logged_with_its_cause(browser, caplog, kind):
    response = browser.get(f"/test/{kind}/unexpected")
    [record] = [item for item in caplog.records if item.levelno >= logging.ERROR]

    assert record.msg["event"] == "unhandled_exception"
    assert record.msg["requestId"] == response["X-Request-ID"]
    assert record.msg["path"] == f"/test/{kind}/unexpected"
    assert str(record.msg["exc_info"]) == SECRET


@BOTH
def test_what_was_expected_leaves_no_error_in_the_log(browser, caplog, kind):
    browser.get(f"/test/{kind}/missing")

    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@BOTH
def test_a_database_that_is_away_is_logged_and_the_client_told_when_to_come_again(browser, caplog, kind):
    errors.reported.clear()
    responses = [browser.get(f"/test/{kind}/database-away") for _ in range(3)]

    assert all(int(response["Retry-After"]) >= 1 for response in responses)
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]  # in a minute
    assert (record.msg["event"], record.msg["error"]) == ("database_unavailable", "OperationalError")


def test_a_lock_says_how_long_it_holds(browser):
    assert browser.get("/test/api/refused")["Retry-After"] == "42"


def test_a_wrong_field_is_named(browser):
    assert problems(browser.get("/test/api/field")) == {"age": "too_young"}


def test_an_answer_that_cannot_be_rendered_is_a_defect_of_ours(browser):
    assert code(browser.get("/test/unrenderable")) == (500, "INTERNAL_ERROR")


class Broken:
    """A middleware that fails, outside every view."""

    error: Exception = RuntimeError(SECRET)

    def __init__(self, get_response):
        pass

    def __call__(self, request):
        raise self.error


@pytest.fixture
def broken(settings, monkeypatch):
    """Return the response when the last middleware but one fails with this."""

    def fail(error):
        monkeypatch.setattr(Broken, "error", error)
        first, *others = settings.MIDDLEWARE
        settings.MIDDLEWARE = [first, "core.web.tests.test_errors.Broken", *others]
        return Client(raise_request_exception=False).get("/health")

    return fail


def test_what_fails_outside_every_view_is_answered_and_logged_too(broken, caplog):
    answer = broken(RuntimeError(SECRET))

    assert code(answer) == (500, "INTERNAL_ERROR")
    assert SECRET not in answer.content.decode()
    assert [record.exc_info[1].args for record in caplog.records if record.exc_info] == [(SECRET,)]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SuspiciousOperation(SECRET), (400, "MALFORMED_REQUEST")),
        (BadRequest(SECRET), (400, "MALFORMED_REQUEST")),
        (RequestDataTooBig(SECRET), (413, "PAYLOAD_TOO_LARGE")),
        (PermissionDenied(SECRET), (403, "FORBIDDEN")),
        (Http404(SECRET), (404, "NOT_FOUND")),
    ],
)
def test_what_is_refused_outside_every_view_comes_out_in_the_envelope(broken, error, expected):
    answer = broken(error)

    assert code(answer) == expected
    assert SECRET not in answer.content.decode()


# --- paths and methods ----------------------------------------------------------------------------


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
@pytest.mark.parametrize(
    "path", ["/nope", "/api/v1/nope", "/api/v2/jobs", "/api", "/.git/config", "/%00", "/é/"]
)
def test_an_unknown_path_is_not_found_by_any_method(browser, settings, debug, method, path):
    settings.DEBUG = debug

    assert code(getattr(browser, method)(path)) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        ("/health", "POST", "GET, HEAD, OPTIONS"),
        ("/health/ready", "DELETE", "GET, HEAD, OPTIONS"),
        ("/metrics", "PUT", "GET, HEAD, OPTIONS"),
        ("/", "POST", "GET, HEAD, OPTIONS"),
        ("/api/v1/schema", "PATCH", "GET, HEAD, OPTIONS"),
        ("/api/v1/auth/login", "GET", "POST, OPTIONS"),
        ("/api/v1/auth/login", "TRACE", "POST, OPTIONS"),
        ("/api/v1/auth/login", "FOO", "POST, OPTIONS"),
        ("/api/v1/auth/login?nonsense=1", "TRACE", "POST, OPTIONS"),
        ("/health", "FOO", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_is_not_allowed_is_answered_with_those_that_are(browser, path, method, allow):
    response = browser.generic(method, path)

    assert code(response) == (405, "METHOD_NOT_ALLOWED")
    assert response["Allow"] == allow


@pytest.mark.parametrize("header", ["HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_X_METHOD_OVERRIDE"])
def test_a_method_cannot_be_overridden(browser, header):
    assert browser.get("/test/echo", **{header: "POST"}).json()["data"] == {}


@pytest.mark.parametrize("path", ["/health", "/metrics", "/api/v1/auth/login"])
def test_options_names_the_methods_to_anybody(browser, path):
    response = browser.options(path)

    assert response.status_code in {200, 204}
    assert "OPTIONS" in response["Allow"]


# --- what a request is made of --------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*", "application/vnd.x+json"])
def test_who_accepts_no_json_is_refused(browser, accept):
    assert code(browser.get("/test/echo", HTTP_ACCEPT=accept)) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/*", "text/html, */*;q=0.1"])
def test_who_accepts_json_is_served(browser, accept):
    assert browser.get("/test/echo", HTTP_ACCEPT=accept).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/yaml",
        "application/x-python-serialize",
        "application/json+x",
        "application",
        "",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/json; charset=bz2_codec",
        "application/json; charset=nonsense",
    ],
)
def test_a_body_in_another_form_is_refused(browser, content_type):
    response = browser.generic("POST", "/test/echo", b'{"a": 1}', content_type=content_type)

    assert code(response) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "identity, gzip"])
def test_a_compressed_body_is_refused_unread(browser, encoding):
    response = browser.generic(
        "POST", "/test/echo", b"\x1f\x8b bomb", "application/json", HTTP_CONTENT_ENCODING=encoding
    )

    assert code(response) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/json ;x=y",
    ],
)
def test_json_in_utf_8_is_taken(browser, content_type):
    response = browser.generic("POST", "/test/echo", '{"a": "é"}'.encode(), content_type=content_type)

    assert response.json()["data"] == {"a": "é"}


def test_a_body_of_the_largest_size_is_taken_and_one_byte_more_is_not(browser, settings):
    def post(size):
        return browser.generic("POST", "/test/echo", b'{"a":"%s"}' % (b"x" * (size - 8)), "application/json")

    assert settings.MAX_JSON_BYTES == 1024 * 1024
    assert post(1024 * 1024).status_code == 200
    assert code(post(1024 * 1024 + 1)) == (413, "PAYLOAD_TOO_LARGE")


def test_a_length_that_is_only_declared_is_refused_before_anything_is_read(browser):
    response = browser.generic("POST", "/test/echo", b"{}", "application/json", CONTENT_LENGTH=str(10**12))

    assert code(response) == (413, "PAYLOAD_TOO_LARGE")


def test_djangos_own_limits_come_out_in_the_envelope(browser, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    assert code(browser.post("/test/body", {"a": "x" * 200})) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    "host", ["evil.example", "testserver.evil.example", "good:evil@x", "testserver:80:80", "[::2]", "te st"]
)
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/metrics",
        "/nope",
        "/admin/",
        "/static/admin/css/base.css",
        "/api/v1/jobs",
        "/test/echo",
    ],
)
def test_a_forged_host_is_refused_on_every_path(browser, host, path):
    assert code(browser.get(path, HTTP_HOST=host)) == (400, "MALFORMED_REQUEST")


def test_a_forwarded_host_is_not_believed(browser):
    assert browser.get("/test/echo", HTTP_X_FORWARDED_HOST="evil.example").status_code == 200


def test_a_missing_csrf_token_is_refused_in_the_envelope(browser):
    assert code(browser.post("/test/protected")) == (403, "CSRF_FAILED")
