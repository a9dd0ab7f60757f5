"""The catalogue of errors, and how nested problems become one list."""

import pytest
from rest_framework import exceptions as drf

from core.web.error_details import flatten
from core.web.errors import CATALOGUE, ApiError

CONTRACT = {
    400: {"VALIDATION_ERROR", "MALFORMED_REQUEST"},
    401: {
        *("UNAUTHORIZED", "TOKEN_EXPIRED", "TOKEN_REVOKED"),
        *("INVALID_CREDENTIALS", "MFA_REQUIRED", "MFA_INVALID"),
    },
    403: {
        "FORBIDDEN",
        "CSRF_FAILED",
        "ACCOUNT_SUSPENDED",
        "EMAIL_UNVERIFIED",
        "MFA_ENROLLMENT_REQUIRED",
        "REGISTRATION_CLOSED",
        "STEP_UP_REQUIRED",
    },
    404: {"NOT_FOUND"},
    405: {"METHOD_NOT_ALLOWED"},
    406: {"NOT_ACCEPTABLE"},
    408: {"REQUEST_TIMEOUT"},
    409: {"EMAIL_EXISTS", "CONFLICT", "IDEMPOTENCY_IN_PROGRESS"},
    410: {"GONE"},
    412: {"PRECONDITION_FAILED"},
    413: {"PAYLOAD_TOO_LARGE"},
    415: {"UNSUPPORTED_MEDIA_TYPE"},
    416: {"RANGE_NOT_SATISFIABLE"},
    422: {"IDEMPOTENCY_KEY_REUSED"},
    423: {"ACCOUNT_LOCKED"},
    429: {"RATE_LIMITED"},
    500: {"INTERNAL_ERROR"},
    503: {"SERVICE_UNAVAILABLE"},
    507: {"INSUFFICIENT_STORAGE"},
}


def test_the_catalogue_is_the_one_that_clients_know():
    assert {name: status for name, (status, _message) in CATALOGUE.items()} == {
        name: status for status, names in CONTRACT.items() for name in names
    }


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_code_makes_an_error_with_its_status_and_a_message(name):
    error = ApiError(name)

    assert (error.code, error.status) == (name, CATALOGUE[name][0])
    assert str(error) == error.message == CATALOGUE[name][1]
    assert 400 <= error.status < 600


def test_a_code_outside_the_catalogue_cannot_be_raised():
    with pytest.raises(KeyError):
        ApiError("MADE_UP")


@pytest.mark.parametrize(
    ("detail", "flat"),
    [
        ("wrong", [(None, "invalid")]),
        ({"a": ["wrong"]}, [("a", "invalid")]),
        ({"a": {"b": ["wrong"]}}, [("a.b", "invalid")]),
        ({"tags": {0: ["wrong"], 3: ["wrong"]}}, [("tags.0", "invalid"), ("tags.3", "invalid")]),
        ({"rows": [{}, {"title": ["wrong"]}]}, [("rows.1.title", "invalid")]),
        ({"non_field_errors": ["wrong"]}, [(None, "invalid")]),
        ({"a": {"non_field_errors": ["wrong"]}}, [("a", "invalid")]),
        ({"a": ["one", "two"]}, [("a", "invalid"), ("a", "invalid")]),
    ],
)
def test_nested_problems_become_one_flat_list(detail, flat):
    problem = drf.ValidationError(detail)

    assert [(item["field"], item["code"]) for item in flatten(problem.detail)] == flat
