"""Checks that the tests of accounts share."""

import re

from rest_framework.test import APIClient

from accounts.services.lockout import count_failure
from accounts.tests.factories import PASSWORD
from core.audit.models import AuditEvent

API = "/api/v1"
NEW_PASSWORD = "An0ther-battery-staple"


def refusal(response):
    """Check the error envelope of a response; return (status, code)."""
    body = response.json()
    error = body["error"]
    assert body.keys() == {"success", "error"}
    assert body["success"] is False
    assert error.keys() == {"code", "message", "details", "requestId"}
    assert error["message"]
    assert error["requestId"] == response["X-Request-ID"]
    return response.status_code, error["code"]


def problems(response):
    """Return [(field, code), …] of a validation error."""
    assert refusal(response) == (400, "VALIDATION_ERROR")
    details = response.json()["error"]["details"]
    assert all(detail.keys() - {"params"} == {"field", "code", "message"} for detail in details)
    assert all(detail["message"] for detail in details)
    return [(detail["field"], detail["code"]) for detail in details]


def data(response, status=200):
    """Return the data of a successful response."""
    assert response.status_code == status, response.content
    body = response.json()
    assert body["success"] is True
    return body["data"]


def try_token(access):
    """Use an access token now; return "accepted", or the code of its refusal."""
    response = APIClient().get(f"{API}/users/me", headers={"Authorization": f"Bearer {access}"})
    return "accepted" if response.status_code == 200 else refusal(response)[1]


def access_of(caller):
    return caller.authorization.removeprefix("Bearer ")


def log_in_with(email, password=PASSWORD, **extra):
    """Log in from no address in particular; return the response. `extra` is what the test client takes."""
    return APIClient().post(f"{API}/auth/login", {"email": email, "password": password}, **extra)


def lock_out(user):
    """Count as many failed log-ins as lock the account."""
    for _ in range(5):
        count_failure(user.email, user)


def refresh_with(token):
    return APIClient().post(f"{API}/auth/refresh", {"refreshToken": token})


def token_in(mail):
    """Return the secret of the link in an email's text."""
    return re.search(r"[?&]token=([\w-]+)", mail.body)[1]


def token_to(address, messages):
    """Return the secret of the link in the one email to this address, among several."""
    [mail] = [mail for mail in messages if mail.to == [address]]
    return token_in(mail)


def event(name):
    """Return the one audit event of this name."""
    return AuditEvent.objects.get(event=name)


def events():
    """Return the names of all audit events, oldest first."""
    return list(AuditEvent.objects.order_by("id").values_list("event", flat=True))


def audit_holds(*secrets):
    """Return whether any of these occurs anywhere in the audit log."""
    written = str(list(AuditEvent.objects.values()))
    return any(secret in written for secret in secrets)
