"""A bulk sends equally many queries for two operations and for a hundred."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from resources.tests.factories import ResourceFactory
from resources.tests.test_bulk import bulk, create, delete, update

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_batches(monkeypatch):
    """Lift the limit of 999 parameters, for which Django splits statements on SQLite."""
    if connection.vendor == "sqlite":
        monkeypatch.setattr(connection.features, "max_query_params", 30_000)


def creates(user, number):
    return [create(title=f"{n}", tags=["both", f"{number}-{n}"]) for n in range(number)]


def plain_creates(user, number):
    return [create(title=f"{n}") for n in range(number)]


def updates(user, number):
    rows = [ResourceFactory(user=user, tags=["old"]) for _ in range(number)]
    return [update(row, title=f"{n}", tags=["old", f"{number}-{n}"]) for n, row in enumerate(rows)]


def plain_updates(user, number):
    return [update(ResourceFactory(user=user), title=f"{n}") for n in range(number)]


def deletes(user, number):
    return [delete(ResourceFactory(user=user)) for _ in range(number)]


def mixed(user, number):
    return [*creates(user, number // 2), *updates(user, number // 4 + 1), *deletes(user, number // 4)]


def cost(caller, operations):
    with CaptureQueriesContext(connection) as queries:
        response = bulk(caller, *operations)
    assert response.status_code == 200, response.content
    return len(queries), "\n".join(query["sql"][:200] for query in queries)


@pytest.mark.parametrize("kind", [plain_creates, creates, plain_updates, updates, deletes, mixed])
def test_2_and_100_operations_send_equally_many_queries(owner, kind):
    few, _statements = cost(owner, kind(owner.user, 4 if kind is mixed else 2))
    many, statements = cost(owner, kind(owner.user, 99 if kind is mixed else 100))

    assert many == few, statements
    assert many <= 22


def test_the_queries_of_an_admin_do_not_grow_with_the_owners(admin):
    def of_many(number):
        rows = [ResourceFactory(tags=["old"]) for _ in range(number)]
        return [update(row, tags=["new", "old"]) for row in rows]

    few, _statements = cost(admin, of_many(2))
    many, statements = cost(admin, of_many(20))

    assert many == few, statements
