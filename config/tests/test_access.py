"""Every route for every role, against the access matrix (config/tests/matrix.py)."""

from types import SimpleNamespace

import pytest
from django.conf import settings
from django.db import transaction
from uuid_utils.compat import uuid7

from accounts.mfa.models import Passkey
from accounts.models import OneTimeToken, Role
from accounts.services.passwords import issue_token
from accounts.tests.factories import PASSWORD, UserFactory
from config.tests import inventory, matrix
from core.files import services as files
from core.tests.answers import code

pytestmark = pytest.mark.django_db

OF_ROWS = matrix.row_operations()
MATRIX = matrix.declared() | matrix.written()
# The error code and the scheme of a 401 to a caller who has no session, or no longer one.
REFUSED = {"anonymous": ("UNAUTHORIZED", "Bearer"), "revoked": ("TOKEN_REVOKED", "Bearer")}
CREATES_KEY = "POST /api/v1/auth/api-keys"  # with the password of the caller
LINKS = "POST /api/v1/users/me/identities"  # at no provider: there is none in the settings of the tests
BY_COOKIE = "GET /api/v1/auth/csrf"  # takes no bearer token
CREDENTIAL = {"id": "AA", "rawId": "AA", "type": "public-key"}
ATTESTATION = {"clientDataJSON": "e30", "attestationObject": "AA"}
ASSERTION = {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AA"}
BY_PASSKEY = "POST /api/v1/auth/passkeys/login"  # takes no token
# Paths that serve an anonymous caller without a 401. A new line here needs a reason in the review.
OPEN_TO_ALL = {
    *(
        f"POST /api/v1/auth/{name}"
        for name in (
            "register",
            "login",
            "forgot-password",
            "reset-password",
            "verify-email",
            "undo-email-change",
            "not-me",
            "passkeys/options",
        )
    ),
    *("POST /api/v1/users", "POST /api/v1/users/undelete"),
    *("GET /api/v1/auth/oidc", "POST /api/v1/auth/oidc/{id}/start", "POST /api/v1/auth/oidc/{id}/finish"),
    "GET /api/v1/schema",
    "GET /api/v1/files",
    *("GET /api/docs", "GET /api/redoc"),
    *("GET /health", "GET /health/live", "GET /health/ready", "GET /metrics"),
    *("GET /", "GET /errors/{id}", "GET /.well-known/change-password"),
    *(
        f"GET /account/{name}"
        for name in (
            "forgot-password",
            "reset-password",
            "verify-email",
            "undo-email-change",
            "undelete",
            "not-me",
        )
    ),
}


@pytest.fixture
def samples(owner, log_in):
    """Create sample objects of the owner, one of each; and a second admin, so that neither is the last."""
    UserFactory(role="admin")
    stored = files.store([b"Hello"], user=owner.user, content_type="text/plain", filename="a.txt", size=5)
    files.confirm(stored)
    Purpose = OneTimeToken.Purpose
    gone = UserFactory()
    gone.soft_delete()
    return SimpleNamespace(
        owner=owner.user,
        addresses={"/api/v1/files": files.signed_url(stored)},
        ids={
            "/api/v1/users/{id}": owner.user.pk,
            "/api/v1/auth/sessions/{id}": log_in(owner.user).session_id,
            "/api/v1/auth/mfa/passkeys/{id}": Passkey.objects.create(
                user=owner.user, name="Phone", credential_id="AA", public_key=b""
            ).pk,
            "/errors/{id}": "NOT_FOUND",
        },
        tokens={
            purpose: issue_token(user, purpose, user.email, lifetime)
            for user, purpose, lifetime in (
                (owner.user, Purpose.PASSWORD_RESET, settings.PASSWORD_RESET_LIFETIME),
                (owner.user, Purpose.EMAIL_PROOF, settings.EMAIL_PROOF_LIFETIME),
                (owner.user, Purpose.EMAIL_UNDO, settings.EMAIL_UNDO_LIFETIME),
                (owner.user, Purpose.NOT_ME, settings.NOT_ME_LIFETIME),
                (gone, Purpose.UNDELETE, settings.TRASH_RETENTION),
            )
        },
    )


@pytest.fixture
def callers(owner, stranger, anonymous, log_in):
    """Return {role: client}, in the order of the matrix."""
    revoked = log_in(owner.user)
    revoked.user.sessions.filter(pk=revoked.session_id).end("logout")
    named = {"anonymous": anonymous, "stranger": stranger, "owner": owner, "revoked": revoked}
    return {role: named[role] if role in named else log_in(UserFactory(role=role)) for role in matrix.ROLES}


def body(samples, caller, operation):
    """Return a valid body of an operation whose row is written down, with its format."""
    account = {"email": f"{uuid7().hex}@example.com", "password": "Br4nd-new-battery", "name": "New Person"}
    token = samples.tokens
    bodies = {
        "POST /api/v1/auth/register": account,
        "POST /api/v1/users": account,
        "POST /api/v1/auth/login": {"email": samples.owner.email, "password": PASSWORD},
        "POST /api/v1/auth/refresh": {"refreshToken": getattr(caller, "refresh_token", "none")},
        "POST /api/v1/auth/forgot-password": {"email": samples.owner.email},
        "POST /api/v1/auth/reset-password": {
            "token": token["password_reset"],
            "password": account["password"],
        },
        "POST /api/v1/auth/verify-email": {"token": token["email_proof"]},
        "POST /api/v1/auth/undo-email-change": {"token": token["email_undo"]},
        "POST /api/v1/auth/not-me": {"token": token["not_me"]},
        # Another challenge than ours.
        "POST /api/v1/auth/passkeys/login": {**CREDENTIAL, "response": ASSERTION},
        "POST /api/v1/auth/mfa/passkeys": {**CREDENTIAL, "response": ATTESTATION},
        "POST /api/v1/users/undelete": {"token": token["undelete"]},
        "POST /api/v1/auth/change-password": {
            "currentPassword": PASSWORD,
            "newPassword": account["password"],
        },
        CREATES_KEY: {"name": "Export", "scopes": [], "currentPassword": PASSWORD},
        LINKS: {"provider": "acme", "code": "1", "state": "2", "currentPassword": PASSWORD},
    }
    general = {"title": "New", "name": "New name", "currentPassword": PASSWORD}
    if "/auth/mfa/" in operation:
        general["code"] = "123456"
    return bodies.get(operation, general), "json"


def concrete(samples, operation):
    """Return the path of an operation, with the keys of the owner's objects."""
    path = operation.split()[1]
    without_query = operation.partition("?")[0]
    if without_query in OF_ROWS and path not in samples.ids and "{id}" in path:
        keys = matrix.keys(without_query, samples.owner)
    else:
        keys = [samples.ids.get(path, samples.owner.pk)] * path.count("{id}")
    for key in keys:
        path = path.replace("{id}", str(key), 1)
    return samples.addresses.get(path, path)


def statuses(samples, callers, operation):
    """Return {role: status}, each from the same state."""
    path, result = concrete(samples, operation), {}
    method = operation.split()[0].lower()
    for role, caller in callers.items():
        with transaction.atomic():
            data = None, "json"
            if method != "get":
                known = operation in OF_ROWS and operation not in {CREATES_KEY, LINKS}
                data = matrix.body(operation, caller.user) if known else body(samples, caller, operation)
            response = getattr(caller, method)(
                path, data[0], **({} if method == "get" else {"format": data[1]})
            )
            result[role] = response.status_code
            if response.status_code == 401 and role in REFUSED and operation not in {BY_COOKIE, BY_PASSKEY}:
                assert (code(response)[1], response["WWW-Authenticate"].split()[0]) == REFUSED[role]
            list(response if response.streaming else ())  # a file is closed at its end
            transaction.set_rollback(True)
    return result


@pytest.mark.parametrize("operation", MATRIX)
def test_every_role_gets_the_status_of_the_matrix(samples, callers, operation):
    assert statuses(samples, callers, operation) == MATRIX[operation]


def test_the_matrix_holds_every_route_and_method_and_no_other(samples, callers):
    served = {
        f"{method} {path}"
        for path in inventory.routes()
        for method in callers["admin"].options(concrete(samples, f"GET {path}"))["Allow"].split(", ")
        if method not in {"OPTIONS", "HEAD"}
    }
    known = {operation for operation in MATRIX if "?" not in operation}
    missing = [matrix.line(operation, statuses(samples, callers, operation)) for operation in served - known]
    problems = (
        [
            *(
                "These rows are missing. Check that each status is what the role should get, then add to",
                matrix.FILE,
            ),
            *sorted(missing),
        ]
        if missing
        else []
    )
    problems += [
        f"No route serves {operation}. Remove its row from {matrix.FILE}" for operation in known - served
    ]

    assert not problems, "\n".join(map(str, problems))


def test_only_what_is_named_is_open_to_everybody():
    # Reads of what an app declares as public are in no list: the declaration is one.
    served = {name for name, row in MATRIX.items() if row["anonymous"] != 401} - matrix.declared().keys()

    assert served == OPEN_TO_ALL, f"Is this meant? Then change OPEN_TO_ALL: {sorted(served ^ OPEN_TO_ALL)}"


def test_nobody_but_the_owner_and_an_admin_reaches_an_object():
    """Refuse others where nothing else is declared. The app decides about public rows, and about access by hand."""
    by_rule = {name for name, (view_class, _) in OF_ROWS.items() if not matrix.is_declared(view_class)}
    for operation, row in matrix.written().items():
        if "{id}" in operation and operation not in OPEN_TO_ALL | by_rule:
            others = set(matrix.ROLES) - {"owner", "admin", "anonymous", "revoked"}
            assert {row[role] for role in others} - {404} <= (
                {403} if matrix.readers_only(operation) else set()
            )
            assert row["revoked"] == row["anonymous"] == 401


def test_a_new_role_is_a_column_by_itself():
    row = matrix.complete({"anonymous": 401, "stranger": 404, "owner": 200, "revoked": 401})

    assert {row[role] for role in Role.values if role != "user"} == {404}
