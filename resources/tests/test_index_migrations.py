"""Indexes that are built online: after an interruption, removed again, and without the timeouts of a request."""

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations.state import ProjectState

from core.db.indexes import AddIndexOnline, AddSearchIndex, no_timeouts
from core.web import request_context

pytestmark = pytest.mark.django_db(transaction=True)

on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'")
INDEX = AddIndexOnline("resource", models.Index(fields=["version"], name="resource_for_a_test"))
WORDS = AddSearchIndex("resource", "resource_words")


def indexes():
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, "resources_resource")
    return {name for name, item in constraints.items() if item["index"]}


def apply(operation, way="database_forwards"):
    before = ProjectState.from_apps(apps)
    after = before.clone()
    operation.state_forwards("resources", after)
    states = (before, after) if way == "database_forwards" else (after, before)
    with connection.schema_editor(atomic=False) as editor:
        getattr(operation, way)("resources", editor, *states)


def test_an_index_is_created_and_removed():
    apply(INDEX)
    assert "resource_for_a_test" in indexes()
    apply(INDEX, "database_backwards")
    assert "resource_for_a_test" not in indexes()


@on_postgresql
def test_an_invalid_index_of_a_broken_build_is_built_again():
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX resource_for_a_test ON resources_resource (id)")
    apply(INDEX)
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'resource_for_a_test'")
        assert "(version)" in cursor.fetchone()[0]
    apply(INDEX, "database_backwards")


def test_the_search_index_is_created_on_postgresql_only():
    apply(WORDS)
    assert ("resource_words" in indexes()) is (connection.vendor == "postgresql")


@on_postgresql
def test_the_search_index_is_removed_and_created_again():
    apply(WORDS, "database_backwards")
    assert "resource_words" not in indexes()
    apply(WORDS)
    assert "resource_words" in indexes()


@on_postgresql
def test_only_the_build_has_no_timeout():
    def timeouts():
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
            return cursor.fetchone()

    # This thread may have served a request before.
    request_context.use_limits(request_context.DEFAULT_LIMITS)
    with connection.schema_editor(atomic=False) as editor, no_timeouts(editor):
        assert timeouts() == ("0", "0")
    assert timeouts() == ("10s", "3s")


@on_postgresql
def test_a_search_index_is_rebuilt_concurrently_after_a_broken_build():
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX resource_words")
        for name in ("resource_words", "resource_words_new"):
            cursor.execute(f"CREATE INDEX {name} ON resources_resource (id)")
    apply(WORDS)
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname LIKE 'resource_words%'")
        [(definition,)] = cursor.fetchall()
    assert "USING gin" in definition
