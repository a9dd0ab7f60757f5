"""The records of requests: their contents, and that no secret is among them."""

import uuid

import pytest
from django.conf import settings as configured
from django.db import transaction
from django.test import Client

from core.devpages import recording, records
from core.outbox.models import OutboxMessage
from core.tests.answers import SECRET
from core.tests.interpreter import django_python

pytestmark = pytest.mark.django_db
LOGIN = "/api/v1/auth/login"


def paths():
    return [record.summary["path"] for record in records.newest(recording.KIND)]


def messages(number):
    for _ in range(number):
        OutboxMessage.objects.create(kind="test.nothing")


def test_a_request_is_recorded_with_its_user_route_and_status(development, owner):
    response = owner.get("/api/v1/users/me")
    [record] = records.newest(recording.KIND)

    assert record.request_id == response["X-Request-ID"]
    expected = {"method": "GET", "path": "/api/v1/users/me", "status": 200, "user": str(owner.user.pk)}
    assert record.summary.items() >= expected.items()
    assert record.summary["route"] == "user-me"
    assert record.summary["statements"] >= 1


def test_no_secret_is_recorded(developer):
    secrets = [uuid.uuid4().hex for _ in range(4)]
    body = {"email": "ann@example.com", "password": secrets[0]}
    headers = {"authorization": f"Bearer {secrets[1]}", "cookie": f"sessionid={secrets[2]}"}
    developer.post(f"{LOGIN}?token={secrets[3]}", body, "application/json", headers=headers)
    developer.post(LOGIN, body, "application/json", headers=headers)

    assert paths() == [LOGIN, LOGIN]
    stored = records.path().read_bytes()
    assert b"token" in stored  # the name of the parameter
    assert [secret for secret in secrets if secret.encode() in stored] == []
    assert b"ann@example.com" not in stored


def test_the_values_of_statements_are_not_recorded(developer, last_request):
    developer.get("/test/the-same-again")

    assert "COUNT" in last_request()
    assert SECRET not in last_request()
    assert SECRET.encode() not in records.path().read_bytes()


def test_a_statement_for_each_row_is_marked(developer, last_request):
    messages(4)
    developer.get("/test/one-by-one")
    page = last_request()

    assert "4 times, each with other values" in page
    assert "core/devpages/tests/urls.py" in page
    assert "one of them 4 times" in developer.get("/dev/requests").content.decode()


def test_the_same_statement_again_is_marked(developer, last_request):
    developer.get("/test/the-same-again")

    assert "3 times, 2 of them with the same values again" in last_request()


@pytest.mark.parametrize("kind", ["plain", "api"])
def test_an_unexpected_exception_has_its_traceback(developer, last_request, kind):
    assert developer.get(f"/test/{kind}/unexpected").status_code == 500
    page = last_request()

    assert "builtins.RuntimeError" in page
    assert "in fail" in page


@pytest.mark.parametrize(
    ("failure", "name"), [("refused", "ACCOUNT_LOCKED"), ("taken", "django.db.utils.IntegrityError")]
)
def test_a_refusal_has_its_place_and_no_message(developer, last_request, failure, name):
    with transaction.atomic():  # as that of a test is not of use after an error of the database
        assert 400 <= developer.get(f"/test/api/{failure}").status_code < 500
    page = last_request()

    assert name in page
    assert "core/tests/urls.py" in page
    assert "UNIQUE constraint failed" not in page


def test_the_clauses_that_gave_the_rows_are_named(development, owner, last_request):
    owner.get("/api/v1/jobs")

    assert "read: owner=&#x27;user&#x27;" in last_request()
    assert f"manage.py why {owner.user.pk} GET /api/v1/jobs" in last_request()


def test_what_a_request_caused_is_on_its_page(development, owner, deliver, last_request):
    owner.post("/api/v1/auth/forgot-password", {"email": owner.user.email})
    assert "accounts.password_reset (pending)" in last_request()
    deliver()
    page = last_request()

    assert "accounts.password_reset (done)" in page
    assert "/dev/mails/" in page
    assert "password.reset_requested" in page


@pytest.mark.parametrize(
    "path",
    [
        "/dev/requests",
        "/dev/mails",
        "/health",
        "/health/ready",
        "/metrics",
        "/static/nope.css",
        "/favicon.ico",
    ],
)
def test_pages_of_development_files_and_probes_are_not_recorded(developer, path):
    developer.get(path).close()

    assert paths() == []


@pytest.mark.parametrize(
    "path", ["/", "/nope", "/test/api/unexpected", "/test/plain/field", "/api/v1/users/me"]
)
def test_a_response_is_the_same_without_recording(settings, developer, path):
    recorded = developer.get(path, headers={"x-request-id": "the-same"})
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "devpages" not in name]
    plain = Client(raise_request_exception=False).get(path, headers={"x-request-id": "the-same"})

    assert (recorded.status_code, recorded.content) == (plain.status_code, plain.content)
    assert stable(recorded.headers) == stable(plain.headers)


def stable(headers):
    """Return the headers without those that count requests and seconds."""
    return {name: value for name, value in headers.items() if not name.startswith("RateLimit-")}


def test_a_response_does_not_depend_on_the_file(developer):
    assert developer.get("/").status_code == 200
    records.path().unlink()
    records.path().mkdir()
    try:
        assert developer.get("/").status_code == 200
    finally:
        records.path().rmdir()


def test_nothing_is_recorded_where_the_file_cannot_be_written(developer, caplog):
    records.path().mkdir()
    try:
        assert developer.get("/").status_code == 200
    finally:
        records.path().rmdir()
    developer.get("/")

    assert paths() == []
    assert caplog.records == []


OFF = """
import sys
from django.conf import settings
client = Client()
print([client.get(path).status_code for path in ("/dev/mails", "/dev/requests", "/dev/requests/1", "/health")])
print([name for name in sys.modules if "devpages" in name], settings.EMAIL_BACKEND)
print([name for name in settings.MIDDLEWARE if "devpages" in name], settings.REST_FRAMEWORK["EXCEPTION_HANDLER"])
"""


def test_without_debug_nothing_of_it_exists():
    shown = django_python(OFF, DEBUG="false", SECURE_SSL_REDIRECT="false")

    assert shown.stdout.splitlines() == [
        "[404, 404, 404, 200]",
        f"[] {configured.DELIVERING_EMAIL_BACKEND}",
        "[] core.web.errors.handle",
    ], shown.stderr


def test_the_middleware_is_not_used_where_debug_is_switched_off(developer, settings):
    settings.DEBUG = False
    Client().get("/")

    assert paths() == []
