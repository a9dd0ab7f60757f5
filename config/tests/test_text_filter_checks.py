"""The system check of filters by a part of a text."""

import pytest
from django.contrib.postgres.indexes import GinIndex, GistIndex, OpClass
from django.db import connection, models
from django.db.models.functions import Upper

from config.tests.reading import serializer, viewset
from config.tests.sample_models import Invoice, Project
from core.api.checks import check_text_filters, problems_of


def found(lookups, of=Project, column="name"):
    view = viewset(of, serializer(of), filterset_fields={column: lookups})
    return {(problem.id, problem.msg.split()[2]) for problem in problems_of(view)}


def test_the_filters_of_this_project_are_served_by_indexes():
    assert check_text_filters() == []


def test_a_part_of_a_text_needs_an_index():
    assert found(["contains", "istartswith", "exact", "in", "gte"]) == {
        ("core.W004", "name[contains]"),
        ("core.W004", "name[startsWith]"),
    }
    assert found(["icontains"]) == {("core.W004", "name[contains]")}
    assert found(["icontains"], Invoice, "customer__name") == {("core.W004", "customer__name[contains]")}
    assert found(["isnull", "gte"], column="due_date") == set()


TRIGRAMS = GinIndex(fields=["name"], opclasses=["gin_trgm_ops"], name="a")
FOLDED = GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="b")
PREFIXES = models.Index(fields=["user", "name"], opclasses=["uuid_ops", "varchar_pattern_ops"], name="c")
OTHER = GistIndex(fields=["code"], opclasses=["gist_trgm_ops"], name="d")
PLAIN = models.Index(fields=["name"], name="e")


@pytest.mark.parametrize(
    ("index", "served"),
    [
        (TRIGRAMS, {"contains", "startswith", "endswith", "regex", "iregex"}),
        (FOLDED, {"icontains", "istartswith", "iendswith", "iexact"}),
        (PREFIXES, {"startswith"}),
        (OTHER, set()),
        (PLAIN, set()),
    ],
)
def test_an_index_serves_the_lookups_of_its_operator_class(monkeypatch, index, served):
    monkeypatch.setattr(Project._meta, "indexes", [index])
    lookups = {
        *("contains", "startswith", "endswith", "regex"),
        *("icontains", "istartswith", "iendswith", "iexact", "iregex"),
    }

    assert {lookup for lookup in lookups if not found([lookup])} == served


@pytest.mark.parametrize(
    ("lookup", "part"), [("contains", 'fields=["name"]'), ("icontains", 'Upper("name")')]
)
def test_the_hint_names_the_index(lookup, part):
    view = viewset(Project, serializer(Project), filterset_fields={"name": [lookup]})
    (problem,) = problems_of(view)

    assert part in problem.hint
    assert "Project.Meta.indexes" in problem.hint


LIKE = ("contains", "startswith", "endswith", "regex", "iregex")
UPPER_LIKE = ("icontains", "istartswith", "iendswith", "iexact")


@pytest.mark.skipif("connection.vendor != 'postgresql'")
@pytest.mark.parametrize(("expression", "lookups"), [("name", LIKE), ("upper(name)", UPPER_LIKE)])
def test_postgresql_uses_these_indexes(sample_tables, expression, lookups):
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        cursor.execute(f"CREATE INDEX trigrams ON core_db_project USING gin (({expression}) gin_trgm_ops)")
        cursor.execute("SET LOCAL enable_seqscan = off")
    for lookup in lookups:
        plan = Project.objects.filter(**{f"name__{lookup}": "abcdef"}).order_by().explain()
        assert "Index Scan on trigrams" in plan, (lookup, plan)


def test_the_index_of_the_hint_can_be_created(sample_tables):
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        cursor.execute(str(TRIGRAMS.create_sql(Project, connection.schema_editor(collect_sql=True))))
        created = connection.introspection.get_constraints(cursor, Project._meta.db_table)[TRIGRAMS.name]

    assert (created["index"], created["columns"]) == (True, ["name"])
    if connection.vendor == "postgresql":
        assert created["type"] == "gin"
