"""A counter for each owner that moves with every change of what they own: the version of their lists.

It is read with session and user anyway, so a list whose client holds this revision is answered 304 without a look at
its rows. It must never stand still while a row changes, so the database itself moves it, by triggers on the tables
of what is owned (`watch`, in a migration). On PostgreSQL they are deferred to the commit: whoever writes holds the
counter's row last and briefly, so it is in nobody's order of locks.
"""

import hashlib
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings

from core.db.models import Revision

TABLE = Revision._meta.db_table

POSTGRESQL_FUNCTION = f"""
    CREATE OR REPLACE FUNCTION {TABLE}_move() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        owner uuid := CASE TG_OP WHEN 'DELETE' THEN OLD.user_id ELSE NEW.user_id END;
    BEGIN
        IF TG_OP = 'UPDATE' AND OLD.user_id <> NEW.user_id THEN
            UPDATE {TABLE} SET number = number + 1 WHERE user_id = OLD.user_id;
        END IF;
        -- Once for each owner in a transaction: a bulk write fires it for each row.
        IF current_setting('app.moved', true) = owner::text || txid_current()::text THEN
            RETURN NULL;
        END IF;
        UPDATE {TABLE} SET number = number + 1 WHERE user_id = owner;
        IF NOT FOUND THEN
            -- An owner who is being deleted takes the counter along.
            INSERT INTO {TABLE} (user_id, number) SELECT id, 1 FROM {{users}} WHERE id = owner
            ON CONFLICT (user_id) DO UPDATE SET number = {TABLE}.number + 1;
        END IF;
        PERFORM set_config('app.moved', owner::text || txid_current()::text, true);
        RETURN NULL;
    END $$
"""  # noqa: S608
SQLITE_MOVE = f"""
    INSERT INTO {TABLE} (user_id, number) SELECT id, 1 FROM {{users}} WHERE id = {{row}}.user_id
    ON CONFLICT (user_id) DO UPDATE SET number = number + 1;
"""  # noqa: S608
# Whoever owns a row has a counter already; one who is being deleted must not get a new one.
SQLITE_MOVE_LAST = f"UPDATE {TABLE} SET number = number + 1 WHERE user_id = {{row}}.user_id;"  # noqa: S608
SQLITE_TRIGGERS = {
    "INSERT": SQLITE_MOVE.replace("{row}", "NEW"),
    "UPDATE": SQLITE_MOVE.replace("{row}", "NEW") + SQLITE_MOVE_LAST.format(row="OLD"),
    "DELETE": SQLITE_MOVE_LAST.format(row="OLD"),
}
COUNT_FROM_HERE = f"""
    INSERT INTO {TABLE} (user_id, number) SELECT DISTINCT user_id, 1 FROM {{table}} WHERE true
    ON CONFLICT (user_id) DO NOTHING
"""  # noqa: S608


def watch(schema_editor: Any, table: str) -> None:
    """Move the revision of `user_id` with each change of a row of this table. For a migration."""
    connection = schema_editor.connection
    users = Revision._meta.get_field("user").related_model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(COUNT_FROM_HERE.format(table=table))
        if connection.vendor == "postgresql":
            cursor.execute(POSTGRESQL_FUNCTION.format(users=users))
            cursor.execute(
                f"CREATE CONSTRAINT TRIGGER {table}_moves AFTER INSERT OR UPDATE OR DELETE ON {table}"
                f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {TABLE}_move()"
            )
            return
        for event, moves in SQLITE_TRIGGERS.items():
            statement = moves.format(users=users)
            cursor.execute(
                f"CREATE TRIGGER {table}_moves_{event.lower()} AFTER {event} ON {table} BEGIN {statement} END"
            )


def unwatch(schema_editor: Any, table: str) -> None:
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"DROP TRIGGER IF EXISTS {table}_moves ON {table}")
            return
        for event in SQLITE_TRIGGERS:
            cursor.execute(f"DROP TRIGGER IF EXISTS {table}_moves_{event.lower()}")


def remember(user: Any, number: int | None) -> None:
    """What was read together with the user."""
    user.revision_number = number or 0


def revision_of(user: Any) -> int:
    known: int | None = getattr(user, "revision_number", None)
    if known is None:
        known = number_of(user.pk)
    return known


def number_of(user_id: UUID) -> int:
    return Revision.objects.filter(pk=user_id).values_list("number", flat=True).first() or 0


@lru_cache(maxsize=4096)
def mark(user_id: UUID, fields: tuple[str, ...], query: str) -> str:
    """What tells a list from all others: of other people, of another shape or version of this code, and of another
    question. So whoever holds it has asked just this before, and was not told that the question is wrong."""
    said = f"{user_id} {fields} {settings.SPECTACULAR_SETTINGS['VERSION']} {query}"
    return hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=8).hexdigest()
