"""What the tests of accounts ask again and again."""

import re

from rest_framework.test import APIClient

from accounts.tests.factories import PASSWORD
from core.audit.models import AuditEvent

API = "/api/v1"
NEW_PASSWORD = "An0ther-battery-staple"


def refusal(answer):
    """(status, code) of an answer that must be the error envelope."""
    body = answer.json()
    error = body["error"]
    assert body.keys() == {"success", "error"}
    assert body["success"] is False
    assert error.keys() == {"code", "message", "details", "requestId"}
    assert error["message"]
    assert error["requestId"] == answer["X-Request-ID"]
    return answer.status_code, error["code"]


def problems(answer):
    """[(field, code), …] of a validation error."""
    assert refusal(answer) == (400, "VALIDATION_ERROR")
    details = answer.json()["error"]["details"]
    assert all(detail.keys() - {"params"} == {"field", "code", "message"} for detail in details)
    assert all(detail["message"] for detail in details)
    return [(detail["field"], detail["code"]) for detail in details]


def data(answer, status=200):
    """The data of an answer that must be a success."""
    assert answer.status_code == status, answer.content
    body = answer.json()
    assert body["success"] is True
    return body["data"]


def fate(access):
    """What becomes of an access token that is used now: "alive", or the code of its refusal."""
    answer = APIClient().get(f"{API}/users/me", headers={"Authorization": f"Bearer {access}"})
    return "alive" if answer.status_code == 200 else refusal(answer)[1]


def access_of(caller):
    return caller._credentials["HTTP_AUTHORIZATION"].removeprefix("Bearer ")


def log_in_with(email, password=PASSWORD):
    """The answer to a log-in from nowhere in particular."""
    return APIClient().post(f"{API}/auth/login", {"email": email, "password": password})


def refresh_with(token):
    return APIClient().post(f"{API}/auth/refresh", {"refreshToken": token})


def token_in(mail):
    """The secret of the link in a mail's text."""
    return re.search(r"[?&]token=([\w-]+)", mail.body)[1]


def event(name):
    """The one audit event of this name."""
    return AuditEvent.objects.get(event=name)


def events():
    """The names of all audit events, oldest first."""
    return list(AuditEvent.objects.order_by("id").values_list("event", flat=True))


def audit_holds(*secrets):
    """Whether any of these stands anywhere in the audit log."""
    written = str(list(AuditEvent.objects.values()))
    return any(secret in written for secret in secrets)
