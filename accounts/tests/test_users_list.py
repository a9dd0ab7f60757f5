import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.checks import API, data, problems
from accounts.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

URL = f"{API}/users"


@pytest.fixture
def people(admin):
    """Create users in addition to the admin, who is Ada Admin."""
    UserFactory(email="bob@example.com", name="Bob Builder")
    UserFactory(email="cyd@example.org", name="Cyd Charisse", role="staff")
    UserFactory(email="dan@example.com", name="Dan Gone").soft_delete()


def names(response):
    return [row["name"] for row in data(response)]


def test_an_admin_sees_all_users(admin, people):
    response = admin.get(URL, {"sort": "name"})

    assert names(response) == ["Ada Admin", "Bob Builder", "Cyd Charisse"]
    assert response.json()["meta"] == {"page": 1, "limit": 20, "total": 3, "totalPages": 1}


def test_shows_exactly_the_fields_of_the_contract(admin):
    [row] = data(admin.get(URL))

    assert row.keys() == {
        *("id", "email", "pendingEmail", "name", "role", "status", "emailVerified"),
        *("mfaEnabled", "version", "createdAt", "updatedAt"),
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"role": "staff"}, ["Cyd Charisse"]),
        ({"role": "admin"}, ["Ada Admin"]),
        ({"role": "user"}, ["Bob Builder"]),
        ({"status": "active"}, ["Ada Admin", "Bob Builder", "Cyd Charisse"]),
        ({"status": "deleted"}, ["Dan Gone"]),
        ({"status": "deleted", "role": "staff"}, []),
        ({"role": ["staff", "admin"]}, ["Ada Admin", "Cyd Charisse"]),
        ({"status": ["deleted", "active"]}, ["Ada Admin", "Bob Builder", "Cyd Charisse", "Dan Gone"]),
        ({"search": "BUILD"}, ["Bob Builder"]),
        ({"search": "example.org"}, ["Cyd Charisse"]),
        ({"search": "cyd char"}, ["Cyd Charisse"]),
        ({"search": "bob charisse"}, []),
        ({"search": "%"}, []),
        ({"search": "_ob"}, []),
        ({"search": "' OR 1=1 --"}, []),
    ],
)
def test_filters(admin, people, query, expected):
    assert names(admin.get(URL, {"sort": "name", **query})) == expected


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("createdAt", ["Ada Admin", "Bob Builder", "Cyd Charisse"]),
        ("-createdAt", ["Cyd Charisse", "Bob Builder", "Ada Admin"]),
        ("name", ["Ada Admin", "Bob Builder", "Cyd Charisse"]),
        ("-email", ["Ada Admin", "Cyd Charisse", "Bob Builder"]),
        ("createdAt,-name", ["Ada Admin", "Bob Builder", "Cyd Charisse"]),
    ],
)
def test_sorts(admin, people, sort, order):
    assert names(admin.get(URL, {"sort": sort})) == order


def test_the_newest_comes_first(admin, people):
    assert names(admin.get(URL)) == ["Cyd Charisse", "Bob Builder", "Ada Admin"]


def test_is_paginated(admin, people):
    first = admin.get(URL, {"sort": "name", "limit": 2})
    second = admin.get(URL, {"sort": "name", "limit": 2, "page": 2})

    assert names(first) + names(second) == ["Ada Admin", "Bob Builder", "Cyd Charisse"]
    assert second.json()["meta"] == {"page": 2, "limit": 2, "total": 3, "totalPages": 2}


def test_shows_only_the_requested_fields(admin):
    [row] = data(admin.get(URL, {"fields": "email"}))

    assert row == {"id": str(admin.user.pk), "email": admin.user.email}


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"role": "root"}, ("role", "invalid_choice")),
        ({"role": ""}, ("role", "invalid_choice")),
        ({"status": ""}, ("status", "invalid_choice")),
        ({"status": "gone"}, ("status", "invalid_choice")),
        ({"search": "x" * 201}, ("search", "max_length")),
        ({"sort": "password"}, ("sort", "invalid")),
        ({"fields": "password"}, ("fields", "invalid")),
        ({"fields": ",".join(["id"] * 101)}, ("fields", "max_length")),
        ({"sort": ",".join(["name"] * 101)}, ("sort", "max_length")),
        ({"limit": "101"}, ("limit", "invalid")),
        ({"password__startswith": "x"}, ("password__startswith", "unknown_parameter")),
        ({"email": "x"}, ("email", "unknown_parameter")),
    ],
)
def test_names_a_wrong_parameter(admin, query, problem):
    assert problems(admin.get(URL, query)) == [problem]


def test_a_search_for_nul_is_refused(admin):
    assert admin.get(URL, {"search": "a\x00b"}).status_code == 400


def test_the_number_of_queries_does_not_grow(admin):
    with CaptureQueriesContext(connection) as few:
        admin.get(URL)
    UserFactory.create_batch(10)

    with CaptureQueriesContext(connection) as many:
        assert len(names(admin.get(URL))) == 11
    assert len(many) == len(few) <= 4
