"""The check of migrations, on the operations that Django writes."""

import pytest
from django.core.checks import run_checks
from django.db import models
from django.db.migrations import Migration, operations
from django.db.models.functions import Lower

from core.db.indexes import AddIndexOnline
from core.db.migration_checks import is_of_project, problems_of

TEXT = models.TextField()
INDEX = models.Index(fields=["title"], name="by_title")


def migration_of(*these, **members):
    members |= {"operations": list(these)}
    return type("Sample", (Migration,), members)("0002_sample", "notes")


def hints(*these, **members):
    return [problem.hint for problem in problems_of(migration_of(*these, **members))]


REMOVALS = [
    operations.RemoveField("note", "title"),
    operations.DeleteModel("Note"),
    operations.RenameField("note", "title", "name"),
    operations.RenameModel("Note", "Memo"),
    operations.AlterModelTable("note", "memos"),
]


@pytest.mark.parametrize("operation", REMOVALS, ids=lambda operation: type(operation).__name__)
def test_what_the_release_before_uses_is_removed_by_a_contraction_alone(operation):
    [hint] = hints(operation)

    assert "`is_contraction = True`" in hint
    assert hints(operation, is_contraction=True) == []
    assert hints(operations.SeparateDatabaseAndState(state_operations=[operation])) == []
    assert hints(operations.SeparateDatabaseAndState(database_operations=[operation])) == [hint]


@pytest.mark.parametrize("field", [TEXT, models.TextField(default="")])
def test_a_column_that_an_earlier_insert_leaves_out_needs_a_value_of_the_database(field):
    [hint] = hints(operations.AddField("note", "text", field), is_contraction=True)

    assert "`db_default`" in hint


@pytest.mark.parametrize(
    "field",
    [
        models.TextField(null=True),
        models.TextField(db_default=""),
        models.ManyToManyField("notes.Tag"),
        models.GeneratedField(expression=Lower("title"), output_field=TEXT, db_persist=True),
    ],
)
def test_a_column_that_fills_itself_may_be_added(field):
    assert hints(operations.AddField("note", "text", field)) == []


def test_an_index_of_a_table_in_use_is_built_online():
    [hint] = hints(operations.AddIndex("note", INDEX))

    assert "AddIndexOnline" in hint
    assert hints(AddIndexOnline("note", INDEX), atomic=False) == []


def test_a_table_that_the_migration_makes_may_have_anything():
    made = operations.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))])

    assert hints(made, operations.AddField("note", "text", TEXT), operations.AddIndex("note", INDEX)) == []


def test_the_migrations_of_the_project_are_checked_by_check_deploy():
    assert (is_of_project("core_files"), is_of_project("auth")) == (True, False)
    messages = run_checks(include_deployment_checks=True)

    assert [message for message in messages if message.id == "core.W002"] == []
