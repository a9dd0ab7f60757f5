"""Refusals that are the same for every operation of the API, by one walk over the OpenAPI document."""

import re

import pytest
from uuid_utils.compat import uuid7

from config.tests import inventory
from core.tests.answers import code, problems
from core.tests.contract import operations

pytestmark = pytest.mark.django_db

# The session of a browser is checked first, and so is the token that a refresh needs.
BY_COOKIE = "/api/v1/auth/csrf"
OPERATIONS = {
    name: operation for name, operation in operations() if not name.endswith((BY_COOKIE, "/auth/refresh"))
}
# An attachment needs its resource first.
WITH_BODY = [
    name
    for name, operation in OPERATIONS.items()
    if "requestBody" in operation and not name.endswith("/attachments")
]
METHODS = ("get", "post", "put", "patch", "delete")


def send(caller, name, query="", **options):
    """Send a request to an operation, e.g. `GET /api/v1/jobs/{id}`, with an id that does not exist."""
    method, path = name.split()
    return caller.generic(method, re.sub(r"\{\w+\}", str(uuid7()), path) + query, **options)


def test_there_are_operations_to_walk():
    assert {"GET /api/v1/jobs", "POST /api/v1/auth/login", "PATCH /api/v1/users/{id}"} <= set(OPERATIONS)
    assert {"PATCH /api/v1/users/me", "POST /api/v1/auth/login"} <= set(WITH_BODY)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_unknown_parameter_is_refused_by_name(admin, name):
    assert problems(send(admin, name, "?nonsense=1")) == {"nonsense": "unknown_parameter"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_client_that_accepts_no_json_is_refused(admin, name):
    assert code(send(admin, name, HTTP_ACCEPT="text/xml")) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_of_another_type_is_refused(admin, name):
    response = send(admin, name, data=b"<xml/>", content_type="text/xml")

    assert code(response) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("path", sorted(inventory.api_views().keys() - {BY_COOKIE}))
def test_405_lists_the_allowed_methods(admin, path):
    path = path.replace("{id}", str(uuid7()))
    allowed = admin.options(path)["Allow"]
    for method in METHODS:
        if method.upper() not in allowed.split(", "):
            response = getattr(admin, method)(path)
            assert (code(response), response["Allow"]) == ((405, "METHOD_NOT_ALLOWED"), allowed)
