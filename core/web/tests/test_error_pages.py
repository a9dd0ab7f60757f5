"""An error is a page where a person would see it, and the envelope for everybody else."""

import pytest
from django.test import Client

from core.tests.answers import code

pytestmark = [pytest.mark.django_db, pytest.mark.urls("core.tests.urls")]

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def browser():
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


@pytest.mark.parametrize(
    ("failure", "status", "text"),
    [
        ("unexpected", 500, "Something went wrong on our side."),
        ("database-away", 503, "Try again in 5 seconds."),
        ("taken", 409, "CONFLICT"),
        ("missing", 404, "There is nothing here."),
        ("denied", 403, "Your role does not allow this."),
        ("suspicious", 400, "MALFORMED_REQUEST"),
        ("refused", 423, "Try again in 42 seconds."),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_a_browser_gets_a_page_with_the_request_id(browser, settings, failure, status, text, debug):
    settings.DEBUG = debug
    answer = browser.get(f"/test/plain/{failure}", headers={"accept": BROWSER})
    page = answer.content.decode()

    assert (answer.status_code, answer["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert text in page
    assert answer["X-Request-ID"] in page
    for part in ("hunter2", "secret.py", "SELECT", "Traceback", "core_outbox"):
        assert part not in page


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/nope", 404),
        ("post", "/", 405),
        ("post", "/admin/login/", 403),
        ("get", "/static/nope.css", 404),
        ("post", "/test/protected", 403),
    ],
)
def test_so_does_whoever_is_refused_before_a_view(browser, method, path, status):
    answer = getattr(browser, method)(path, headers={"accept": BROWSER})

    assert (answer.status_code, answer["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert answer["X-Request-ID"] in answer.content.decode()


def test_a_forged_host_is_a_page_too(browser):
    answer = browser.get("/", headers={"accept": BROWSER, "host": "evil.example"})

    assert (answer.status_code, answer["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert "evil.example" not in answer.content.decode()


def test_a_page_needs_no_database(browser, django_assert_num_queries):
    with django_assert_num_queries(0):
        browser.get("/nope", headers={"accept": BROWSER})


@pytest.mark.parametrize("accept", [BROWSER, "text/html"])
@pytest.mark.parametrize("path", ["/api/v1/nope", "/api/nope", "/api", "/api/v1/files"])
def test_under_api_it_is_always_the_envelope(browser, path, accept):
    answer = browser.get(path, headers={"accept": accept})

    assert (answer.status_code >= 400, answer["Content-Type"]) == (True, "application/json")


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/json", "application/json, text/html;q=0.5", "application/*", "image/png"],
)
def test_who_does_not_prefer_html_gets_the_envelope(browser, accept):
    answer = browser.get("/nope", headers={"accept": accept})

    assert code(answer) == (404, "NOT_FOUND")
    assert "Accept" in answer["Vary"]


def test_what_fails_outside_every_view_is_a_page(browser, settings):
    first, *others = settings.MIDDLEWARE
    settings.MIDDLEWARE = [first, "core.web.tests.test_errors.Broken", *others]
    answer = Client(raise_request_exception=False).get("/health", headers={"accept": BROWSER})

    assert (answer.status_code, answer["Content-Type"]) == (500, "text/html; charset=utf-8")
    assert answer["X-Request-ID"] in answer.content.decode()
