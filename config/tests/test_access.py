"""Every route for every role, against access_matrix.txt beside this file."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import transaction
from uuid_utils.compat import uuid7

from accounts.models import OneTimeToken
from accounts.services.passwords import issue_token
from accounts.tests.factories import PASSWORD, UserFactory
from config.tests import house
from core.files import services as files
from core.tests.factories import DryRunFactory, JobFactory
from core.tests.samples import upload
from resources.tests.factories import AttachmentFactory, ResourceFactory, TagFactory

pytestmark = pytest.mark.django_db

ROLES = ("anonymous", "stranger", "owner", "staff", "admin", "revoked")
ATTACHING = "POST /api/v1/resources/{id}/attachments"
# What an anonymous caller is served without a 401. Whoever adds a line here says so in public.
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
        )
    ),
    "POST /api/v1/users",
    "GET /api/v1/schema",
    "GET /api/v1/files",
    *("GET /api/docs", "GET /api/redoc"),
    *("GET /health", "GET /health/live", "GET /health/ready", "GET /metrics"),
    *("GET /", "GET /.well-known/change-password"),
    *(
        f"GET /account/{name}"
        for name in ("forgot-password", "reset-password", "verify-email", "undo-email-change")
    ),
}


def read_matrix():
    """{"GET /path": {role: status}}"""
    lines = (Path(__file__).parent / "access_matrix.txt").read_text().splitlines()
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return {
        f"{method} {path}": dict(zip(ROLES, map(int, statuses), strict=True))
        for method, path, *statuses in rows
    }


MATRIX = read_matrix()


@pytest.fixture
def world(owner, log_in):
    """What the owner has, one of each; and a second admin, so that neither is the last."""
    gone = ResourceFactory(user=owner.user)
    gone.soft_delete()
    UserFactory(role="admin")
    attachment = AttachmentFactory(resource=ResourceFactory(user=owner.user))
    Purpose = OneTimeToken.Purpose
    return SimpleNamespace(
        owner=owner.user,
        addresses={"/api/v1/files": files.signed_url(attachment.file)},
        ids={
            "/api/v1/resources/{id}": ResourceFactory(user=owner.user, tags=["borne"]).pk,
            "/api/v1/resources/{id}/restore": gone.pk,
            "/api/v1/resources/{id}/history": gone.pk,
            "/api/v1/resources/{id}/attachments": attachment.resource_id,
            "/api/v1/resources/{id}/attachments/{id}": (attachment.resource_id, attachment.pk),
            "/api/v1/jobs/{id}": JobFactory(user=owner.user).pk,
            "/api/v1/tags/{id}": TagFactory(user=owner.user).pk,
            "/api/v1/users/{id}": owner.user.pk,
            "/api/v1/auth/sessions/{id}": log_in(owner.user).session_id,
        },
        tokens={
            purpose: issue_token(owner.user, purpose, owner.user.email, lifetime)
            for purpose, lifetime in (
                (Purpose.PASSWORD_RESET, house.settings.PASSWORD_RESET_LIFETIME),
                (Purpose.EMAIL_PROOF, house.settings.EMAIL_PROOF_LIFETIME),
                (Purpose.EMAIL_UNDO, house.settings.EMAIL_UNDO_LIFETIME),
            )
        },
    )


@pytest.fixture
def revoked(owner, log_in):
    caller = log_in(owner.user)
    caller.user.sessions.filter(pk=caller.session_id).end("logout")
    return caller


def body(world, caller, operation):
    """A valid one, whatever the operation."""
    account = {"email": f"{uuid7().hex}@example.com", "password": "Br4nd-new-battery", "name": "New Person"}
    token = world.tokens
    bodies = {
        "POST /api/v1/auth/register": account,
        "POST /api/v1/users": account,
        "POST /api/v1/auth/login": {"email": world.owner.email, "password": PASSWORD},
        "POST /api/v1/auth/refresh": {"refreshToken": getattr(caller, "refresh_token", "none")},
        "POST /api/v1/auth/forgot-password": {"email": world.owner.email},
        "POST /api/v1/auth/reset-password": {
            "token": token["password_reset"],
            "password": account["password"],
        },
        "POST /api/v1/auth/verify-email": {"token": token["email_proof"]},
        "POST /api/v1/auth/undo-email-change": {"token": token["email_undo"]},
        "POST /api/v1/auth/change-password": {
            "currentPassword": PASSWORD,
            "newPassword": account["password"],
        },
        ATTACHING: upload(b"Hello", "hello.txt"),
        "POST /api/v1/resources/export": {"format": "csv"},
        "POST /api/v1/resources/import": {"dryRunId": dry_run_of(caller.user)},
        "POST /api/v1/resources/bulk": {"operations": [{"method": "create", "data": {"title": "New"}}]},
    }
    general = {"title": "New", "name": "New name", "currentPassword": PASSWORD}
    return bodies.get(operation, general)


def dry_run_of(user):
    """The id of one that can be imported."""
    return str(DryRunFactory(user=user).pk) if user else str(uuid7())


def concrete(world, path):
    ids = world.ids.get(path.partition("?")[0])
    for key in ids if isinstance(ids, tuple) else (ids,):
        path = path.replace("{id}", str(key), 1)
    return world.addresses.get(path, path)


@pytest.mark.parametrize("operation", MATRIX)
def test_every_role_gets_what_the_matrix_says(request, world, operation):
    method, path = operation.split()
    answers = {}
    for role in ROLES:
        caller = request.getfixturevalue(role)
        data = None if method == "GET" else body(world, caller, operation)
        with transaction.atomic():
            send = partial(getattr(caller, method.lower()), concrete(world, path))
            answer = send(data, format="multipart") if operation == ATTACHING else send(data)
            answers[role] = answer.status_code
            list(answer if answer.streaming else ())  # a file is closed at its end
            transaction.set_rollback(True)

    assert answers == MATRIX[operation]


def test_the_matrix_holds_every_route_and_method_and_no_other(world, admin):
    served = {
        f"{method} {path}"
        for path in house.routes()
        for method in admin.options(concrete(world, path))["Allow"].split(", ")
        if method not in {"OPTIONS", "HEAD"}
    }

    assert {operation for operation in MATRIX if "?" not in operation} == served


def test_only_what_is_named_is_open_to_everybody():
    served = {operation for operation, statuses in MATRIX.items() if statuses["anonymous"] != 401}

    assert served == OPEN_TO_ALL


def test_nobody_but_the_owner_and_an_admin_reaches_an_object():
    for operation, statuses in MATRIX.items():
        if "{id}" in operation:
            assert {statuses["stranger"], statuses["staff"]} == {404}
            assert statuses["revoked"] == statuses["anonymous"] == 401
