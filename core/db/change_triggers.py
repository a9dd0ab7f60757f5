"""Triggers that record the latest change of each object of a model that `keeps_changes` (core/db/changes.py).

On PostgreSQL they run at the commit, as those of core/db/owner_versions.py do, and take the position from the same
function: it locks the row of the owner until the transaction has ended. So the positions of an owner are in the order
of the commits, and a reader who sees one sees all before it. SQLite has one writer at a time.
"""

from collections.abc import Callable
from typing import Any

from django.apps import apps

from core.db.changes import keeps_changes
from core.db.models import Change, OwnerVersion
from core.db.owner_versions import erasing_trigger, function_name, names_for, path_to_owner
from core.db.triggers import Declared, Trigger, declares

TABLE = Change._meta.db_table
VERSIONS = OwnerVersion._meta.db_table

# One statement for a row that is there, one for a row that is gone. A row that was gone before keeps its position,
# since clients have this deletion already. So the erasure of an object that is in the trash is no change.
CHANGED_POSTGRESQL = """
    CREATE OR REPLACE FUNCTION {schema}.{function}() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        moved bigint;
    BEGIN
        IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.{owner} IS DISTINCT FROM NEW.{owner}) THEN
            moved := {schema}.owner_version_move(OLD.{owner});
            IF moved IS NOT NULL THEN
                UPDATE {changes} SET position = moved, deleted_at = now()
                WHERE source = {source} AND object_id = OLD.{key} AND owner_id = OLD.{owner} AND deleted_at IS NULL;
            END IF;
        END IF;
        IF TG_OP = 'DELETE' THEN RETURN NULL; END IF;
        moved := {schema}.owner_version_move(NEW.{owner});
        IF moved IS NULL THEN RETURN NULL; END IF;
        IF NEW.deleted_at IS NULL THEN
            INSERT INTO {changes} AS known (owner_id, source, object_id, position)
            VALUES (NEW.{owner}, {source}, NEW.{key}, moved)
            ON CONFLICT (source, object_id, owner_id) DO UPDATE SET position = moved, deleted_at = NULL
            WHERE known.position <> moved OR known.deleted_at IS NOT NULL;
        ELSE
            UPDATE {changes} SET position = moved, deleted_at = NEW.deleted_at
            WHERE source = {source} AND object_id = NEW.{key} AND owner_id = NEW.{owner} AND deleted_at IS NULL;
        END IF;
        RETURN NULL;
    END $$
"""
TRUNCATED_POSTGRESQL = """
    CREATE OR REPLACE FUNCTION {schema}.changes_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM {changes} WHERE source = TG_TABLE_NAME;
        UPDATE {versions} SET epoch = gen_random_uuid();
        RETURN NULL;
    END $$
"""
# Another one in every other history of the data: initdb gives a new system identifier, a failover or a recovery to a
# point in time a new timeline, pg_restore a new OID. A managed server may refuse the first two.
LINEAGE_POSTGRESQL = """
    CREATE OR REPLACE FUNCTION {schema}.change_lineage() RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
        RETURN concat_ws(
            '-', (SELECT system_identifier FROM pg_control_system()),
            left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), {oid}::regclass::oid
        );
    EXCEPTION WHEN OTHERS THEN RETURN {oid}::regclass::oid::text;
    END $$
"""

MOVE_SQLITE = {
    "OLD": "UPDATE {versions} SET position = max(position + 1, {now}) WHERE user_id = OLD.{owner};",
    "NEW": """
        INSERT INTO {versions} (user_id, token, position) SELECT id, {random}, {now} FROM {users} WHERE id = NEW.{owner}
        ON CONFLICT (user_id) DO UPDATE SET position = max(position + 1, excluded.position);
    """,
}
# An owner without a version has been given no cursor, or is being deleted.
LEFT_SQLITE = """
    UPDATE {changes} SET position = (SELECT position FROM {versions} WHERE user_id = OLD.{owner}),
        deleted_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
    WHERE owner_id IN (SELECT user_id FROM {versions} WHERE user_id = OLD.{owner})
    AND source = {source} AND object_id = OLD.{key} AND deleted_at IS NULL AND {left};
"""
WRITTEN_SQLITE = """
    INSERT INTO {changes} (owner_id, source, object_id, position)
    SELECT user_id, {source}, NEW.{key}, position FROM {versions}
    WHERE user_id = NEW.{owner} AND NEW.deleted_at IS NULL
    ON CONFLICT (source, object_id, owner_id) DO UPDATE SET position = excluded.position, deleted_at = NULL;
    UPDATE {changes} SET position = (SELECT position FROM {versions} WHERE user_id = NEW.{owner}),
        deleted_at = NEW.deleted_at
    WHERE owner_id = NEW.{owner} AND source = {source} AND object_id = NEW.{key}
    AND deleted_at IS NULL AND NEW.deleted_at IS NOT NULL;
"""
ON_SQLITE = {
    "INSERT": MOVE_SQLITE["NEW"] + WRITTEN_SQLITE,
    "UPDATE": MOVE_SQLITE["OLD"]
    + MOVE_SQLITE["NEW"]
    + LEFT_SQLITE.replace("{left}", "OLD.{owner} IS NOT NEW.{owner}")
    + WRITTEN_SQLITE,
    "DELETE": MOVE_SQLITE["OLD"] + LEFT_SQLITE.replace("{left}", "true"),
}
ERASED_SQLITE = "DELETE FROM {changes} WHERE owner_id = OLD.id;"

# After a time without triggers any row may have changed: every client begins again, with the rows that are there.
NO_TIMEOUT = "SET LOCAL statement_timeout = 0"  # a large table takes longer than a statement of `migrate` may
DELETE_ALL = "DELETE FROM {changes}"
RECORD = """
    INSERT INTO {changes} (owner_id, source, object_id, position)
    SELECT {owner}, {source}, {key}, {least}({updated}, {now}) FROM {table}
    WHERE deleted_at IS NULL AND {owner} IS NOT NULL
"""
VOID_CURSORS = """
    INSERT INTO {versions} (user_id, token, position, epoch)
    SELECT id, {random}, {now}, {random} FROM {users} WHERE true
    ON CONFLICT (user_id) DO UPDATE
    SET epoch = excluded.epoch, position = {greatest}({versions}.position + 1, excluded.position)
"""
POSTGRESQL = {
    "now": "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    "updated": "(extract(epoch FROM updated_at) * 1000000)::bigint",
    "least": "least",
    "greatest": "greatest",
}
SQLITE = {
    "now": "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)",
    "updated": "CAST((julianday(updated_at) - 2440587.5) * 86400000000.0 AS INTEGER)",
    "least": "min",
    "greatest": "max",
}


@declares
def change_triggers(connection: Any) -> Declared:
    quote: Callable[[str], str] = connection.ops.quote_name
    tables = set(connection.introspection.table_names())
    if not {TABLE, VERSIONS} <= tables:  # migrated back
        return Declared(())
    models = [each for each in apps.get_models() if keeps_changes(each) and each._meta.db_table in tables]
    on_postgresql = connection.vendor == "postgresql"
    words, name = names_for(connection)
    words |= {"changes": name(TABLE)} | (POSTGRESQL if on_postgresql else SQLITE)
    columns = [words | columns_of(model, name, quote) for model in models]
    functions, triggers = [], []
    if on_postgresql:
        functions = [
            LINEAGE_POSTGRESQL.format(**words, oid=literal(name(TABLE))),
            TRUNCATED_POSTGRESQL.format(**words),
        ]
    for model, names in zip(models, columns, strict=True):
        if on_postgresql:
            functions.append(CHANGED_POSTGRESQL.format(**names))
        triggers += (postgresql_triggers if on_postgresql else sqlite_triggers)(
            model._meta.db_table, names, quote
        )
    if models and not on_postgresql:
        triggers.append(erasing_trigger("changes", ERASED_SQLITE.format(**words), quote))
    repair = [NO_TIMEOUT] if on_postgresql else []
    repair += [DELETE_ALL.format(**words), *(RECORD.format(**names) for names in columns)]
    return Declared(triggers, functions, [*repair, VOID_CURSORS.format(**words)])


def columns_of(model: Any, name: Callable[[str], str], quote: Callable[[str], str]) -> dict[str, str]:
    """Return the quoted names of the model's table and columns for its triggers."""
    table = model._meta.db_table
    (owner,) = path_to_owner(model)
    return {
        "table": name(table),
        "source": literal(table),
        "owner": quote(model._meta.get_field(owner).column),
        "key": quote(model._meta.pk.column),
        "function": function_name("changes", table),
    }


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def postgresql_triggers(table: str, names: dict[str, str], _quote: Any) -> list[Trigger]:
    return [
        Trigger(
            table,
            "changes",
            "CONSTRAINT TRIGGER declared_changes AFTER INSERT OR UPDATE OR DELETE ON {table} DEFERRABLE INITIALLY"
            " DEFERRED FOR EACH ROW EXECUTE FUNCTION {schema}.{function}()".format(**names),
        ),
        Trigger(
            table,
            "changes_truncate",
            "TRIGGER declared_changes_truncate AFTER TRUNCATE ON {table} FOR EACH STATEMENT"
            " EXECUTE FUNCTION {schema}.changes_truncate()".format(**names),
        ),
    ]


def sqlite_triggers(table: str, names: dict[str, str], quote: Callable[[str], str]) -> list[Trigger]:
    return [
        Trigger(
            table,
            name := f"{table}_changes_{event.lower()}",
            f"TRIGGER {quote('declared_' + name)} AFTER {event} ON {names['table']} BEGIN {body.format(**names)} END",
        )
        for event, body in ON_SQLITE.items()
    ]
