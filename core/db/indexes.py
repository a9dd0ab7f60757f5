"""Indexes on tables that may be large: built while others write, and without the timeouts of a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.migrations.operations import AddIndex
from django.db.migrations.operations.base import Operation

from core.db.search import VECTOR

# New words go to a list that every search by the index reads. The write that fills the list moves it into the index:
# with PostgreSQL's default of 4 MB one write in some thousands takes a second, with 256 kB each takes a third longer.
PENDING_KB = 1024


class AddIndexOnline(AddIndexConcurrently):
    """Django's AddIndexConcurrently for any database, without timeouts. Its migration is `atomic = False`, and may be
    run again after an interruption: an invalid index of that name is dropped first."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            AddIndex.database_forwards(self, app_label, schema_editor, from_state, to_state)
            return
        with no_timeouts(schema_editor):
            drop_online(schema_editor, self.index.name)
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            AddIndex.database_backwards(self, app_label, schema_editor, from_state, to_state)
            return
        with no_timeouts(schema_editor):
            super().database_backwards(app_label, schema_editor, from_state, to_state)


class AddSearchIndex(Operation):
    """Index that `core.db.search` uses on PostgreSQL: the words of the rows that are not deleted, after their owner.

    It is in no model's Meta: Django would create it on every database. The operation may be repeated to build the index
    anew: an index of that name is used until the new one is complete.
    """

    reversible = True

    def __init__(self, model_name: str, name: str, owner: str = "user") -> None:
        self.model_name, self.name, self.owner = model_name, name, owner

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Leave the state as it is: no model has this index."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        connection = schema_editor.connection
        if connection.vendor != "postgresql" or not self.allow_migrate_model(connection.alias, model):
            return
        quote = schema_editor.quote_name
        owner = quote(model._meta.get_field(self.owner).column)
        vector = VECTOR % {"text": quote("search_text"), "owner": owner}
        fresh = f"{self.name}_new"
        with no_timeouts(schema_editor):
            # A trusted extension: a role with CREATE on the database may install it (PostgreSQL 13).
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
            with no_timeouts(schema_editor):
                drop_online(schema_editor, self.name)  # the extension may have been installed before

    def describe(self) -> str:
        return f"Create the search index {self.name} on {self.model_name}"


@contextmanager
def no_timeouts(schema_editor: Any) -> Iterator[None]:
    """Disable the timeouts: a build reads the whole table, waits for older transactions, and blocks no writer."""
    for setting in ("statement_timeout", "lock_timeout"):
        schema_editor.execute(f"SET {setting} = 0")
    try:
        yield
    finally:
        schema_editor.connection.limits = None
        schema_editor.connection.apply_limits()


def drop_online(schema_editor: Any, name: str) -> None:
    schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(name)}")
