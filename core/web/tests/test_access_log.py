"""One line for each request, as a process with the logs of production writes it."""

import json

import pytest

from core.tests.interpreter import django_python

SCRIPT = """
from django.conf import settings
settings.ROOT_URLCONF = "core.tests.urls"
browser = Client(raise_request_exception=False)
browser.get("/health?token=hunter2", HTTP_X_REQUEST_ID="first")
browser.post("/test/echo?a=hunter2", {"password": "hunter2"}, content_type="application/json",
             HTTP_AUTHORIZATION="Bearer hunter2")
browser.get("/nope%0a%22injected%22/", HTTP_X_REQUEST_ID="third")
browser.get("/test/plain/unexpected", HTTP_X_REQUEST_ID="fourth")
browser.get("/health", HTTP_HOST="evil.example", HTTP_X_REQUEST_ID="fifth", REMOTE_ADDR="192.0.2.7")
browser.get("/test/protected", HTTP_X_REQUEST_ID="last")
"""


@pytest.fixture(scope="module")
def lines():
    done = django_python(SCRIPT, LOG_LEVEL="INFO", LOG_FORMAT="json")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.fixture(scope="module")
def requests(lines):
    return [line for line in lines if line["message"] == "request"]


def test_each_request_has_one_line(requests):
    assert [line["status"] for line in requests] == [200, 200, 404, 500, 400, 200]


def test_a_line_says_who_what_and_how_long(requests):
    line = requests[0]

    assert list(line)[:6] == ["timestamp", "level", "message", "requestId", "userId", "duration"]
    assert line["requestId"] == "first"
    assert (line["method"], line["path"], line["route"], line["status"]) == ("GET", "/health", "health", 200)
    assert 0 < line["duration"] < 60_000
    assert (line["ip"], line["userId"], line["level"]) == ("127.0.0.1", None, "info")
    assert line["timestamp"].endswith("Z")


def test_no_line_holds_query_body_or_token(lines):
    said = json.dumps([line for line in lines if "exception" not in line])

    assert "hunter2" not in said
    assert "?" not in said


def test_a_newline_in_a_path_starts_no_line(requests):
    assert requests[2]["path"] == '/nope\n"injected"'


def test_the_cause_of_a_500_is_a_line_of_its_own_with_the_same_id(lines):
    [cause] = [line for line in lines if line["message"] == "unhandled_exception"]

    assert cause["requestId"] == "fourth"
    assert "RuntimeError" in cause["exception"]
    assert cause["level"] == "error"


def test_the_id_of_one_request_is_not_in_the_lines_of_the_next(requests):
    assert [line["requestId"] for line in requests[3:]] == ["fourth", "fifth", "last"]


def test_nothing_else_is_written_about_a_request(lines):
    assert {line["message"] for line in lines} == {"request", "unhandled_exception"}


def test_a_forged_host_is_logged_as_any_request(requests):
    assert (requests[4]["ip"], requests[4]["route"]) == ("192.0.2.7", "unmatched")
