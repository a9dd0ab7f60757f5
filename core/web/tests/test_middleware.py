import re

import pytest
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from django.test import Client
from django.utils.module_loading import import_string
from whitenoise.middleware import WhiteNoiseMiddleware

from core.tests.answers import code
from core.web.security_headers import SECURITY_HEADERS

pytestmark = [pytest.mark.django_db, pytest.mark.urls("core.tests.urls")]


@pytest.fixture
def browser():
    return Client(enforce_csrf_checks=True)


# --- the request id -------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["x", "a" * 64, "Az09._-", "01a1fcbb-c445-7038"])
def test_a_clients_own_id_is_kept(browser, given):
    assert browser.get("/health", HTTP_X_REQUEST_ID=given)["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given", ["", "a" * 65, "a b", "a/b", "é", "x\r\nSet-Cookie: a=b", "x\n", "<script>", "٣"]
)
def test_any_other_id_is_replaced(browser, given):
    answer = browser.get("/health", HTTP_X_REQUEST_ID=given)

    assert re.fullmatch(r"[0-9a-f]{32}", answer["X-Request-ID"])


def test_every_request_has_an_id_of_its_own(browser):
    assert len({browser.get("/health")["X-Request-ID"] for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "path",
    ["/nope", "/test/api/missing", "/test/plain/unexpected", "/test/api/unexpected", "/test/protected"],
)
def test_the_body_of_an_error_bears_the_id_of_its_header(browser, path):
    answer = browser.post(path, HTTP_X_REQUEST_ID="mine-1")

    assert answer["X-Request-ID"] == "mine-1"
    assert answer.json()["error"]["requestId"] == "mine-1"


def test_a_forged_host_leaves_the_id_alone(browser):
    answer = browser.get("/health", HTTP_HOST="evil.example", HTTP_X_REQUEST_ID="mine-1")

    assert (code(answer)[0], answer.json()["error"]["requestId"]) == (400, "mine-1")


# --- the trailing slash ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/health", "/health/ready", "/test/echo", "/nope", "/api/v1/auth/login", "/metrics"]
)
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options", "head"])
def test_a_path_with_a_slash_answers_as_without(browser, path, method):
    without, with_one = (getattr(browser, method)(f"{path}{slash}") for slash in ("", "/"))

    assert with_one.status_code == without.status_code not in {301, 302, 307, 308}
    assert with_one.get("Allow") == without.get("Allow")
    if with_one.status_code >= 400 and method != "head":
        assert code(with_one) == code(without)


def test_every_method_works_with_a_slash(admin):
    body = {"email": "new@example.com", "name": "New", "role": "user"}
    created = admin.post("/api/v1/users/", {**body, "password": "Corr3ct-horse-battery"})
    url = f"{created['Location']}/"

    assert created["Location"].startswith("/api/v1/users/0")
    assert [
        admin.get(url).status_code,
        admin.put(url, {"name": "Newer", "role": "user"}).status_code,
        admin.patch(url, {"name": "Newest"}).status_code,
        admin.delete(url).status_code,
        admin.get("/api/v1/users/?limit=1").status_code,
    ] == [200, 200, 200, 204, 200]


def test_the_root_is_a_page_and_not_an_empty_path(browser):
    assert browser.get("/").resolver_match.url_name == "home"


# --- the headers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/health", 200),
        ("get", "/test/echo", 200),
        ("get", "/nope", 404),
        ("post", "/health", 405),
        ("get", "/test/plain/unexpected", 500),
        ("get", "/test/api/unexpected", 500),
        ("get", "/test/api/database-away", 503),
        ("get", "/api/v1/jobs", 401),
        ("post", "/test/protected", 403),
        ("get", "/test/limited", 429),
    ],
)
def test_every_answer_has_the_security_headers(browser, settings, method, path, status):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "anon": (2, 60)}
    if status == 429:
        browser.get(path), browser.get(path)
    answer = getattr(browser, method)(path)

    assert answer.status_code == status
    for name, value in SECURITY_HEADERS.items():
        assert answer[name] == value
    assert answer["Cache-Control"] == "no-store"
    assert "Server" not in answer.headers


def test_a_body_that_is_too_large_has_them_too(browser):
    answer = browser.generic("POST", "/test/echo", b" " * (1024 * 1024 + 1), "application/json")

    assert answer.status_code == 413
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"]


def test_the_policy_lets_only_own_files_run():
    policy = dict(
        part.strip().split(" ", 1) for part in SECURITY_HEADERS["Content-Security-Policy"].split(";")
    )

    assert policy["script-src"] == policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert "unsafe-eval" not in str(policy)


def test_what_a_view_says_about_caching_stands(owner):
    assert owner.get("/api/v1/users/me")["Cache-Control"] == "private, no-cache"
    assert owner.get("/api/v1/auth/sessions")["Cache-Control"] == "no-store"


# --- transport ------------------------------------------------------------------------------------


@pytest.fixture
def https_only(settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True


@pytest.mark.parametrize("method", ["get", "post", "options"])
@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/auth/login", "/api/v1/nope", "/api/v1/jobs/"])
def test_the_api_refuses_plain_http_and_never_redirects(browser, https_only, path, method):
    assert code(getattr(browser, method)(path)) == (403, "FORBIDDEN")


def test_over_https_the_api_answers_with_hsts(browser, https_only):
    answer = browser.get("/api/v1/jobs", secure=True)

    assert answer.status_code == 401
    assert answer["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_a_page_is_led_to_https(browser, https_only):
    answer = browser.get("/")

    assert (answer.status_code, answer["Location"]) == (301, "https://testserver/")


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/metrics"])
def test_probes_may_come_over_http(browser, https_only, path):
    assert browser.get(path).status_code == 200


def test_a_forwarded_scheme_is_not_believed_without_a_proxy(browser, https_only):
    assert browser.get("/api/v1/jobs", HTTP_X_FORWARDED_PROTO="https").status_code == 403


# --- browsers of other origins --------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "https://app.example.com.evil.example", "https://xapp.example.com"],
)
def test_another_origin_is_not_let_in(browser, settings, origin):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    answer = browser.get("/test/echo", HTTP_ORIGIN=origin)

    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "origin" in answer["Vary"].lower()


def test_a_named_origin_is_let_in_and_may_read_what_it_needs(browser, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    answer = browser.get("/test/echo", HTTP_ORIGIN="https://app.example.com")
    preflight = browser.options(
        "/api/v1/jobs", HTTP_ORIGIN="https://app.example.com", HTTP_ACCESS_CONTROL_REQUEST_METHOD="PATCH"
    )

    assert answer["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert {"etag", "x-request-id", "ratelimit-remaining"} <= {
        name.strip().lower() for name in answer["Access-Control-Expose-Headers"].split(",")
    }
    assert preflight.status_code == 200
    assert "PATCH" in preflight["Access-Control-Allow-Methods"]
    assert "if-match" in preflight["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    "needed", [SecurityMiddleware, XFrameOptionsMiddleware, CsrfViewMiddleware, WhiteNoiseMiddleware]
)
def test_the_pages_pass_what_django_recommends(settings, needed):
    """Its deployment check knows the classes by name only, so it cannot see these."""
    assert any(
        issubclass(import_string(name), needed) for name in settings.MIDDLEWARE if isinstance(name, str)
    )
