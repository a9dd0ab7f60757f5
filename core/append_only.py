"""The database's own guard of the audit log, on both engines: no DELETE, no TRUNCATE, and no UPDATE but one.

The one UPDATE is redaction: when a person is erased, what identifies them in a row may be blanked or replaced by
a pseudonym, and the row says when. What happened, and when, cannot be changed.
"""

from typing import Any

TABLE = "core_auditevent"
MESSAGE = "the audit log is append-only"

# True of an UPDATE that only redacts. `IS` on SQLite is `IS NOT DISTINCT FROM` on PostgreSQL.
REDACTS = """
    NEW.redacted_at IS NOT NULL AND NEW.id = OLD.id AND NEW.created_at = OLD.created_at
    AND NEW.event = OLD.event AND NEW.target_type = OLD.target_type
    AND (NEW.ip_address IS NULL OR NEW.ip_address = OLD.ip_address)
    AND (NEW.user_agent = '' OR NEW.user_agent = OLD.user_agent)
    AND (NEW.request_id = '' OR NEW.request_id = OLD.request_id)
    AND (NEW.actor_id IS NULL) = (OLD.actor_id IS NULL)
    AND {changes} = '{{}}'
"""

POSTGRESQL = (
    f"""
    CREATE OR REPLACE FUNCTION {TABLE}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            IF {REDACTS.format(changes="NEW.changes::text")} THEN RETURN NEW; END IF;
        END IF;
        RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'restrict_violation';
    END $$
    """,
    f"CREATE OR REPLACE TRIGGER {TABLE}_rows BEFORE UPDATE OR DELETE ON {TABLE}"
    f" FOR EACH ROW EXECUTE FUNCTION {TABLE}_append_only()",
    f"CREATE OR REPLACE TRIGGER {TABLE}_truncate BEFORE TRUNCATE ON {TABLE}"
    f" FOR EACH STATEMENT EXECUTE FUNCTION {TABLE}_append_only()",
)
SQLITE = (
    f"CREATE TRIGGER IF NOT EXISTS {TABLE}_update BEFORE UPDATE ON {TABLE}"
    f" WHEN NOT ({REDACTS.format(changes='NEW.changes')})"
    f" BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END",
    f"CREATE TRIGGER IF NOT EXISTS {TABLE}_delete BEFORE DELETE ON {TABLE}"
    f" BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END",
)
REMOVE_POSTGRESQL = (
    f"DROP TRIGGER IF EXISTS {TABLE}_rows ON {TABLE}",
    f"DROP TRIGGER IF EXISTS {TABLE}_truncate ON {TABLE}",
    f"DROP FUNCTION IF EXISTS {TABLE}_append_only()",
)
REMOVE_SQLITE = (f"DROP TRIGGER IF EXISTS {TABLE}_update", f"DROP TRIGGER IF EXISTS {TABLE}_delete")


def install(connection: Any) -> None:
    _execute(connection, POSTGRESQL, SQLITE)


def remove(connection: Any) -> None:
    """For undoing the migration, and for a test suite that empties tables."""
    _execute(connection, REMOVE_POSTGRESQL, REMOVE_SQLITE)


def _execute(connection: Any, postgresql: tuple[str, ...], sqlite: tuple[str, ...]) -> None:
    with connection.cursor() as cursor:
        for statement in postgresql if connection.vendor == "postgresql" else sqlite:
            cursor.execute(statement)
