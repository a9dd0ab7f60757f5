"""The triggers of the audit log, on both engines: they refuse DELETE, TRUNCATE, a replacing INSERT, and every UPDATE
but redaction.

Redaction: when a person is erased, a pseudonym replaces their id, and other identifying values are removed. The
triggers find that person in the row before and after, and require:

- The person is a user who is deleted, and is replaced wherever the row names them. No other id changes.
- The pseudonym is a random UUID (version 4; ours are version 7) that no user and no other event has. So a row is never
  attributed to another person, and one that is redacted for a person cannot be redacted for them again.
- Address, device and request id are removed only where the person was the actor, or nobody was named.
- The time of redaction is that of the statement.

They do not detect a deleted user who is not yet due for erasure, or one statement with one pseudonym for two users.
The owner of the table can drop the triggers, so the application's role should not own it (docs/deployment.md).
"""

from typing import Any

from django.contrib.auth import get_user_model

from core.db.triggers import Declared, Trigger, declares

TABLE = "core_audit_auditevent"
MESSAGE = "the audit log is append-only"
NAMED = ("actor_id", "subject_id", "target_id")

PERSON = "CASE WHEN NEW.actor_id {is_not} OLD.actor_id THEN OLD.actor_id ELSE OLD.subject_id END"
PSEUDONYM = "CASE WHEN NEW.actor_id {is_not} OLD.actor_id THEN NEW.actor_id ELSE NEW.subject_id END"
REPLACED = " AND ".join(
    f"NEW.{column} {{is_}} CASE WHEN OLD.{column} = {{person}} THEN {{pseudonym}} ELSE OLD.{column} END"
    for column in NAMED
)
REMOVED = " AND ".join(
    f"(NEW.{column} {{is_}} OLD.{column} OR {{theirs}} AND NEW.{column} {{is_}} {blank})"
    for column, blank in (("ip_address", "NULL"), ("user_agent", "''"), ("request_id", "''"))
)
# The first row that a statement changes finds an earlier event with the pseudonym; later rows may find those of this
# statement. So one row of each index is enough, however many events a person has.
UNUSED = " AND ".join(
    f"NOT EXISTS (SELECT 1 FROM (SELECT redacted_at FROM {TABLE}"  # noqa: S608
    f" WHERE {column} = {{pseudonym}} ORDER BY id DESC LIMIT 1) AS newest"
    " WHERE redacted_at IS NULL OR redacted_at <> {now})"
    for column in NAMED
)
REDACTS = f"""
    NEW.redacted_at = {{now}} AND {{changes}} = '{{{{}}}}' AND {{same_row}}
    AND NEW.created_at = OLD.created_at AND NEW.event = OLD.event AND NEW.target_type = OLD.target_type
    AND {{random}} AND {REPLACED} AND {REMOVED}
    AND EXISTS (SELECT 1 FROM {{users}} WHERE id = {{person}} AND deleted_at IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM {{users}} WHERE id = {{pseudonym}})
    AND {UNUSED}
"""  # noqa: S608


def redacts(users: str, *, is_: str, is_not: str, **words: str) -> str:
    """Return the condition that an UPDATE is a redaction, in the SQL of one engine."""
    person, pseudonym = (f"({text.format(is_not=is_not)})" for text in (PERSON, PSEUDONYM))
    random = words.pop("random").format(pseudonym=pseudonym)
    theirs = f"(OLD.actor_id IS NULL OR OLD.actor_id = {person})"
    return REDACTS.format(
        users=users, is_=is_, person=person, pseudonym=pseudonym, theirs=theirs, random=random, **words
    )


def on_postgresql(users: str, schema: str) -> Declared:
    """Return the triggers. `search_path` is fixed, with temporary tables last: otherwise a role could replace the
    table of users by its own temporary one."""
    condition = redacts(
        users,
        is_="IS NOT DISTINCT FROM",
        is_not="IS DISTINCT FROM",
        now="statement_timestamp()",
        changes="NEW.changes::text",
        same_row="NEW.id = OLD.id",
        random="substr({pseudonym}::text, 15, 1) = '4'",
    )
    function = f"""
        CREATE OR REPLACE FUNCTION {TABLE}_append_only() RETURNS trigger LANGUAGE plpgsql
        SET search_path = {schema}, pg_temp AS $$
        BEGIN
            IF TG_OP = 'UPDATE' THEN
                IF ({condition}) THEN RETURN NEW; END IF;
            END IF;
            RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'restrict_violation';
        END $$
    """
    triggers = [
        Trigger(
            TABLE,
            f"append_only_{name}",
            f"TRIGGER declared_append_only_{name} BEFORE {when} ON {TABLE}"
            f" FOR EACH {each} EXECUTE FUNCTION {TABLE}_append_only()",
        )
        for name, when, each in (("rows", "UPDATE OR DELETE", "ROW"), ("truncate", "TRUNCATE", "STATEMENT"))
    ]
    return Declared(triggers, [function])


def on_sqlite(users: str) -> Declared:
    """Return the triggers. A condition that is NULL refuses. `INSERT OR REPLACE` deletes without a trigger, by key or
    rowid, which is -1 if the INSERT has none."""
    condition = redacts(
        users,
        is_="IS",
        is_not="IS NOT",
        now="strftime('%Y-%m-%d %H:%M:%f', 'now')",
        changes="NEW.changes",
        same_row="NEW.id = OLD.id AND NEW.rowid = OLD.rowid",
        random="substr({pseudonym}, 13, 1) = '4'",
    )
    exists = f"EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id OR rowid = NEW.rowid)"  # noqa: S608
    return Declared(
        [
            Trigger(
                TABLE,
                f"append_only_{when.lower()}",
                f"TRIGGER declared_append_only_{when.lower()} BEFORE {when} ON {TABLE} WHEN {unless}"
                f" BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END",
            )
            for when, unless in (
                ("UPDATE", f"({condition}) IS NOT TRUE"),
                ("DELETE", "TRUE"),
                ("INSERT", exists),
            )
        ]
    )


@declares
def append_only_triggers(connection: Any) -> Declared:
    quote = connection.ops.quote_name
    users = get_user_model()._meta.db_table
    if {TABLE, users} - set(connection.introspection.table_names()):
        return Declared(())
    if connection.vendor != "postgresql":
        return on_sqlite(quote(users))
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return on_postgresql(quote(users), quote(cursor.fetchone()[0]))
