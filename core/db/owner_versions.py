"""The version of what a user owns: a token that the database replaces whenever a row of theirs changes.

It is read with session and user, so a client that has the list of this version gets a 304 without a query for its rows.
The token is random. A database that is restored, or fails over to a copy that lags, gets none of those that it had
issued after that point a second time, so nothing that a client or a cache has from then is believed.

Every model whose `access` leads to one owner is watched, and so are the tables between two of these (`through`). A
model whose rows change often, and are in no list with an ETag, sets `moves_owner_version = False`. On PostgreSQL the
triggers are deferred to the commit: a writer locks the version's row last and briefly, in no order with other locks.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import ForeignKey

from core.db.access import access_of, levels
from core.db.base import BaseModel
from core.db.models import RANDOM_SQLITE, OwnerVersion
from core.db.triggers import Declared, Trigger, declares

TABLE = OwnerVersion._meta.db_table
NEVER_CHANGED = UUID(int=0)

# The setting makes it once for each owner in a transaction: a bulk write calls it for each row. An owner who is being
# deleted has no row of users any more, gets no new version, and the function returns NULL. The position is that of the
# change feed (core/db/changes.py).
RENEW_POSTGRESQL = """
    CREATE OR REPLACE FUNCTION {schema}.owner_version_move(owner uuid) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        mark text := owner::text || txid_current()::text || ':';
        held text := current_setting('app.moved', true);
        present bigint;
        moved bigint;
    BEGIN
        IF owner IS NULL THEN RETURN NULL; END IF;
        IF starts_with(held, mark) THEN RETURN substr(held, length(mark) + 1)::bigint; END IF;
        present := extract(epoch FROM clock_timestamp()) * 1000000;
        UPDATE {versions} SET token = gen_random_uuid(), position = greatest(position + 1, present)
        WHERE user_id = owner RETURNING position INTO moved;
        IF NOT FOUND THEN
            INSERT INTO {versions} AS known (user_id, token, position)
            SELECT id, gen_random_uuid(), present FROM {users} WHERE id = owner
            ON CONFLICT (user_id) DO UPDATE
            SET token = gen_random_uuid(), position = greatest(known.position + 1, excluded.position)
            RETURNING position INTO moved;
        END IF;
        IF moved IS NOT NULL THEN PERFORM set_config('app.moved', mark || moved::text, true); END IF;
        RETURN moved;
    END $$
"""
CHANGED_POSTGRESQL = """
    CREATE OR REPLACE FUNCTION {schema}.{function}() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        before uuid;
        after uuid;
    BEGIN
        IF TG_OP <> 'INSERT' THEN before := {old}; END IF;
        IF TG_OP <> 'DELETE' THEN after := {new}; END IF;
        IF before IS DISTINCT FROM after THEN PERFORM {schema}.owner_version_move(before); END IF;
        PERFORM {schema}.owner_version_move(after);
        RETURN NULL;
    END $$
"""
TRUNCATED_POSTGRESQL = """
    CREATE OR REPLACE FUNCTION {schema}.owner_version_renew_all() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE {versions} SET token = gen_random_uuid();
        RETURN NULL;
    END $$
"""
# An owner who is being deleted must get no new version. Every owner of a row has one already.
RENEW_SQLITE = {
    "OLD": "UPDATE {versions} SET token = {random} WHERE user_id = {owner};",
    "NEW": """
        INSERT INTO {versions} (user_id, token) SELECT id, {random} FROM {users} WHERE id = {owner}
        ON CONFLICT (user_id) DO UPDATE SET token = excluded.token;
    """,
}
# Django deletes the version first, then sets foreign keys to NULL, which makes another one, and deletes the owner last.
ERASED_SQLITE = "DELETE FROM {versions} WHERE user_id = OLD.id;"
EVENTS = {"INSERT": ("NEW",), "UPDATE": ("OLD", "NEW"), "DELETE": ("OLD",)}
# After a time without triggers any row may have changed.
RENEW_ALL = """
    INSERT INTO {versions} (user_id, token) SELECT id, {random} FROM {users} WHERE true
    ON CONFLICT (user_id) DO UPDATE SET token = excluded.token
"""


def path_to_owner(model: Any) -> tuple[str, ...]:
    """Return the foreign keys from a row to the one user who owns it; () where access is declared in another way."""
    path: tuple[str, ...] = ()
    for access in map(access_of, levels(model)):
        if access.members or access.owner == "pk":
            return ()
        path += tuple((access.owner or access.parent).split("__"))
        if access.owner:
            return path if all(type(field) is ForeignKey for field in fields_of(model, path)) else ()
    return ()


def fields_of(model: Any, path: tuple[str, ...]) -> Iterator[Any]:
    for name in path:
        field = model._meta.get_field(name)
        yield field
        model = field.related_model


def is_watched(model: Any) -> bool:
    """Return whether each change of a row gives its owner a new version."""
    concrete = issubclass(model, BaseModel) and model._meta.managed and not model._meta.proxy
    return concrete and model.moves_owner_version and bool(path_to_owner(model))


def watched(models: Iterable[Any] | None = None) -> dict[Any, tuple[str, ...]]:
    """Return {model: path to the owner} of every model that is watched, and of every table on its way to the owner: a
    customer that gets another owner takes its invoices along."""
    paths: dict[Any, tuple[str, ...]] = {
        model: path_to_owner(model) for model in models or apps.get_models() if is_watched(model)
    }
    for model, path in list(paths.items()):
        for passed, field in enumerate(list(fields_of(model, path))[:-1], start=1):
            paths.setdefault(field.related_model, path[passed:])
    for model in list(paths):
        for many in model._meta.many_to_many:
            through = many.remote_field.through
            paths.setdefault(through, (many.m2m_field_name(), *paths[model]))
    return paths


def owner_of_row(model: Any, path: tuple[str, ...], row: str, name: Any) -> str:
    """Return the SQL of the owner's id for the trigger's OLD or NEW row. `name` quotes the name of a table."""
    quote = connection.ops.quote_name
    first, *others = fields_of(model, path)
    value = f"{row}.{quote(first.column)}"
    for before, field in zip((first, *others), others, strict=False):
        key = quote(before.target_field.column)
        table = name(before.related_model._meta.db_table)
        value = f"(SELECT {quote(field.column)} FROM {table} WHERE {key} = {value})"  # noqa: S608
    return value


@declares
def owner_version_triggers(connection: Any) -> Declared:
    tables = set(connection.introspection.table_names())
    if TABLE not in tables:  # migrated back
        return Declared(())
    models = {model: path for model, path in watched().items() if model._meta.db_table in tables}
    words, name = names_for(connection)
    return (on_postgresql if connection.vendor == "postgresql" else on_sqlite)(models, words, name)


def names_for(connection: Any) -> tuple[dict[str, str], Callable[[str], str]]:
    """Return the words that the SQL of triggers has, and a function that quotes the name of a table. On PostgreSQL it
    quotes the name with the schema: pg_restore and an empty search_path find the table too."""
    quote: Callable[[str], str] = connection.ops.quote_name
    users = OwnerVersion._meta.get_field("user").related_model._meta.db_table
    if connection.vendor != "postgresql":
        return {"random": RANDOM_SQLITE, "versions": quote(TABLE), "users": quote(users)}, quote
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        schema = quote(cursor.fetchone()[0])

    def name(table: str) -> str:
        return f"{schema}.{quote(table)}"

    words = {"random": "gen_random_uuid()", "schema": schema, "versions": name(TABLE), "users": name(users)}
    return words, name


def function_name(purpose: str, table: str) -> str:
    """Return the name of the function that the triggers of a table call, whatever the length of the table's name."""
    return f"{purpose}_{hashlib.sha256(table.encode()).hexdigest()[:12]}"


def on_postgresql(models: Any, words: dict[str, str], name: Any) -> Declared:
    functions = [RENEW_POSTGRESQL.format(**words), TRUNCATED_POSTGRESQL.format(**words)]
    triggers = []
    for model, path in models.items():
        table = model._meta.db_table
        function = function_name("owner_version", table)
        old, new = (owner_of_row(model, path, row, name) for row in ("OLD", "NEW"))
        functions.append(CHANGED_POSTGRESQL.format(**words, function=function, old=old, new=new))
        triggers += [
            Trigger(
                table,
                "owner_version",
                f"CONSTRAINT TRIGGER declared_owner_version AFTER INSERT OR UPDATE OR DELETE ON {name(table)}"
                f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {words['schema']}.{function}()",
            ),
            Trigger(
                table,
                "owner_version_truncate",
                f"TRIGGER declared_owner_version_truncate AFTER TRUNCATE ON {name(table)}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {words['schema']}.owner_version_renew_all()",
            ),
        ]
    return Declared(triggers, functions, [RENEW_ALL.format(**words)])


def on_sqlite(models: Any, words: dict[str, str], quote: Any) -> Declared:
    triggers = []
    for model, path in models.items():
        table = model._meta.db_table
        for event, rows in EVENTS.items():
            owners = {row: owner_of_row(model, path, row, quote) for row in rows}
            renew = "".join(RENEW_SQLITE[row].format(**words, owner=owner) for row, owner in owners.items())
            name = f"{table}_owner_version_{event.lower()}"
            create = f"TRIGGER {quote('declared_' + name)} AFTER {event} ON {quote(table)} BEGIN {renew} END"
            triggers.append(Trigger(table, name, create))
    triggers.append(erasing_trigger("owner_version", ERASED_SQLITE.format(**words), quote))
    return Declared(triggers, (), [RENEW_ALL.format(**words)])


def erasing_trigger(purpose: str, body: str, quote: Any) -> Trigger:
    """Return the trigger of SQLite that does this when a user is deleted."""
    table = OwnerVersion._meta.get_field("user").related_model._meta.db_table
    name = f"{table}_{purpose}_erase"
    create = f"TRIGGER {quote('declared_' + name)} AFTER DELETE ON {quote(table)} BEGIN {body} END"
    return Trigger(table, name, create)


# --- reading ---------------------------------------------------------------------------------------


def remember(user: Any, token: UUID | None) -> None:
    """Keep on the user the version that was read in the same statement."""
    user.owner_version_token = token or NEVER_CHANGED


def version_of(user: Any) -> UUID:
    """Return the version that was read with the user, or else the present one."""
    known: UUID | None = getattr(user, "owner_version_token", None)
    return known or current_version(user.pk)


def current_version(user_id: UUID) -> UUID:
    rows = OwnerVersion.objects.filter(pk=user_id)
    return rows.values_list("token", flat=True).first() or NEVER_CHANGED


def list_etag(user: Any, fields: tuple[str, ...], query: str) -> str:
    """Return the ETag of a list that shows nothing but rows of this user. Strong: nothing else is part of it."""
    return f'"{version_of(user).hex}-{digest_of(user.pk, fields, query)}"'


@lru_cache(maxsize=4096)
def digest_of(user_id: UUID, fields: tuple[str, ...], query: str) -> str:
    """Return a digest that differs between users, fields, releases and queries.

    A client that has this ETag has sent just this query before, and it was valid.
    """
    text = f"{user_id} {fields} {settings.SPECTACULAR_SETTINGS['VERSION']} {query}"
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
