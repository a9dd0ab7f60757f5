"""Indexes on tables that may be large: built while others write, and without the timeouts of a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.migrations.operations import AddIndex
from django.db.migrations.operations.base import Operation

from core.db.search import VECTOR

# New words wait in a list that every search by the index reads, and whoever fills it empties it into the index. With
# PostgreSQL's 4 MB one write in some thousands would take a second, with 256 kB each would take a third longer.
PENDING_KB = 1024


class AddIndexOnline(AddIndex):
    """AddIndex that stops no writer on PostgreSQL. Its migration is `atomic = False`, and may be run again after it
    was interrupted: what is left of a broken build is dropped first."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        if schema_editor.connection.vendor != "postgresql":
            schema_editor.add_index(model, self.index)
            return
        with patience(schema_editor):
            drop_online(schema_editor, self.index.name)
            schema_editor.add_index(model, self.index, concurrently=True)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        with patience(schema_editor):
            drop_online(schema_editor, self.index.name)


class AddSearchIndex(Operation):
    """What `core.db.search` asks on PostgreSQL: the words of a model's living rows, led by their owner.

    Other databases search without an index. Therefore it stands in no model's Meta: Django would make it everywhere.
    An index of that name serves until this one is built.
    """

    reversible = True

    def __init__(self, model_name: str, name: str, owner: str = "user") -> None:
        self.model_name, self.name, self.owner = model_name, name, owner

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing that a model knows of."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        connection = schema_editor.connection
        if connection.vendor != "postgresql" or not self.allow_migrate_model(connection.alias, model):
            return
        quote = schema_editor.quote_name
        owner = quote(model._meta.get_field(self.owner).column)
        vector = VECTOR % {"text": quote("search_text"), "owner": owner}
        fresh = f"{self.name}_new"
        with patience(schema_editor):
            # A trusted extension: whoever may create in the database may install it (PostgreSQL 13).
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS btree_gin")
            drop_online(schema_editor, fresh)
            schema_editor.execute(
                f"CREATE INDEX CONCURRENTLY {quote(fresh)} ON {quote(model._meta.db_table)} "
                f"USING gin ({owner}, ({vector})) WITH (gin_pending_list_limit = {PENDING_KB}) "
                "WHERE deleted_at IS NULL"
            )
            drop_online(schema_editor, self.name)
            schema_editor.execute(f"ALTER INDEX {quote(fresh)} RENAME TO {quote(self.name)}")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            with patience(schema_editor):
                drop_online(schema_editor, self.name)  # the extension stays: it may have been there before

    def describe(self) -> str:
        return f"Create the search index {self.name} on {self.model_name}"


class RebuildSearchIndex(AddSearchIndex):
    """For a release that asks the index in another way. The old one serves until the new one is there."""

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """The code before does not know the new one, and searches without."""

    def describe(self) -> str:
        return f"Rebuild the search index {self.name} on {self.model_name}"


@contextmanager
def patience(schema_editor: Any) -> Iterator[None]:
    """Building reads the whole table and waits for transactions that began before it, holding up nobody."""
    for setting in ("statement_timeout", "lock_timeout"):
        schema_editor.execute(f"SET {setting} = 0")
    try:
        yield
    finally:
        for setting in ("statement_timeout", "lock_timeout"):
            schema_editor.execute(f"RESET {setting}")


def drop_online(schema_editor: Any, name: str) -> None:
    schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(name)}")
