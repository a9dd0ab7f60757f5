"""PostgreSQL: `pg_dump` of a snapshot that a transaction here reads too, and `psql` to load it in one transaction."""

import hashlib
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import IsolationLevel
from psycopg.conninfo import make_conninfo

from core.backups.programs import BackupError, feed, output_of
from core.web.service_urls import LIBPQ

VENDOR = "postgresql"
DUMP = "database.dump"
LOCK_SECONDS = 30
# Of everything that is not PostgreSQL's own and not of an extension.
OWN_SCHEMAS = "nspname !~ '^pg_' AND nspname <> 'information_schema'"
EXTENSION = "SELECT 1 FROM pg_depend WHERE deptype = 'e' AND classid = '{0}'::regclass AND objid = {0}.oid"
TABLES = f"""
    SELECT format('%I.%I', nspname, relname), coalesce(
        (SELECT string_agg(quote_ident(attname) || CASE WHEN attcollation <> 0 THEN ' COLLATE "C"' ELSE '' END, ', '
                           ORDER BY position)
         FROM pg_index CROSS JOIN unnest(indkey) WITH ORDINALITY AS part(attribute, position)
         JOIN pg_attribute ON attrelid = indrelid AND attnum = attribute
         WHERE indrelid = pg_class.oid AND indisprimary), 'rows::text COLLATE "C"')
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind = 'r' AND {OWN_SCHEMAS} AND NOT EXISTS ({EXTENSION.format("pg_class")}) ORDER BY 1
"""  # noqa: S608
# Drops what the role may drop, all of it in the transaction of the restore: tables first, as they own
# sequences. CASCADE may drop some of it earlier.
EMPTY = f"""
BEGIN;
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET lock_timeout = '{LOCK_SECONDS}s';
SET client_min_messages = warning;
DO $$
DECLARE
    commands text[];
    command text;
BEGIN
    SELECT array_agg(sql ORDER BY sql NOT LIKE 'TABLE %') INTO commands FROM (
        SELECT format('SCHEMA IF EXISTS %I', nspname) AS sql FROM pg_namespace
        WHERE {OWN_SCHEMAS} AND nspname <> 'public' AND NOT EXISTS ({EXTENSION.format("pg_namespace")})
        UNION ALL
        SELECT format('%s IF EXISTS public.%I', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
            WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, relname)
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = 'public' AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
        AND NOT EXISTS ({EXTENSION.format("pg_class")})
        UNION ALL
        SELECT format('ROUTINE IF EXISTS public.%I(%s)', proname, pg_get_function_identity_arguments(pg_proc.oid))
        FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = 'public' AND NOT EXISTS ({EXTENSION.format("pg_proc")})
        UNION ALL
        SELECT format('TYPE IF EXISTS public.%I', typname)
        FROM pg_type JOIN pg_namespace ON pg_namespace.oid = typnamespace
        WHERE nspname = 'public' AND typtype IN ('d', 'e', 'r') AND NOT EXISTS ({EXTENSION.format("pg_type")})
    ) AS objects;
    FOREACH command IN ARRAY coalesce(commands, '{{}}') LOOP
        EXECUTE 'DROP ' || command || ' CASCADE';
    END LOOP;
END $$;
"""  # noqa: S608
# pg_restore 17 writes it, and older servers refuse it.
UNKNOWN_SETTING = b"SET transaction_timeout = 0;\n"


class Snapshot:
    """One moment of the database: a transaction that sees it, and its name for `pg_dump`."""

    def __init__(self, raw: psycopg.Connection[Any], name: str) -> None:
        self.raw, self.name = raw, name

    def dump(self) -> Iterator[bytes]:
        require_program("pg_dump", self.raw.info.server_version // 10000)
        address, environment = address_of()
        command = ["pg_dump", "--format=custom", "--no-password", f"--lock-wait-timeout={LOCK_SECONDS}s"]
        command += [f"--snapshot={self.name}", f"--dbname={address}"]
        return output_of(command, variable="DATABASE_URL", environment=environment)

    def rows(self, statement: str) -> list[Any]:
        return self.raw.execute(statement).fetchall()

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return the number of rows and the hash of each table, in the order of its key."""
        return {name: self.digest(name, order) for name, order in self.rows(TABLES)}

    def digest(self, table: str, order: str) -> dict[str, Any]:
        content, number = hashlib.sha256(), 0
        statement = f"COPY (SELECT * FROM {table} AS rows ORDER BY {order}) TO STDOUT"  # noqa: S608
        with self.raw.cursor() as cursor, cursor.copy(statement) as lines:
            for part in lines:
                content.update(part)
                number += bytes(part).count(b"\n")  # the line feeds of a text are escaped
        return {"rows": number, "sha256": content.hexdigest()}


@contextmanager
def snapshot(_work: Path, name: str = "") -> Iterator[Snapshot]:
    """Begin a transaction that sees one moment of the database, or of the one with this name."""
    require_direct()
    with connected(name) as raw:
        raw.isolation_level, raw.read_only = IsolationLevel.REPEATABLE_READ, True
        limits = {
            "statement_timeout": f"{settings.BACKUPS.timeout.total_seconds():.0f}s",
            "lock_timeout": f"{LOCK_SECONDS}s",
            "idle_in_transaction_session_timeout": "0",
            # As text, a row is the same in every database.
            "timezone": "UTC",
            "datestyle": "ISO",
            "intervalstyle": "postgres",
            "bytea_output": "hex",
            "extra_float_digits": "1",
        }
        for setting, value in limits.items():
            raw.execute("SELECT set_config(%s, %s, true)", [setting, value])
        yield Snapshot(raw, raw.execute("SELECT pg_export_snapshot()").fetchall()[0][0])


def others_at_work() -> str:
    """Return what is connected to the database apart from this process, monitoring and other superusers."""
    connection.close()
    with connected() as raw:
        rows = raw.execute(
            "SELECT DISTINCT coalesce(host(client_addr), 'local') || ' ' || application_name FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            " AND (usename = current_user OR NOT pg_has_role(usesysid, 'pg_monitor', 'USAGE'))"
        ).fetchall()
    return ", ".join(sorted(row[0].strip() for row in rows))


def load(dump: Path, name: str = "") -> None:
    """Replace everything in the database, or in the one with this name. In one transaction: all or nothing."""
    require_direct()
    with connected(name) as raw:
        major = raw.info.server_version // 10000
    require_program("pg_restore", 0)
    address, environment = address_of(name)
    command = [
        "psql",
        "--no-psqlrc",
        "--quiet",
        "--no-password",
        "--set=ON_ERROR_STOP=1",
        f"--dbname={address}",
    ]
    feed(command, script_of(dump, major), variable="DATABASE_URL", environment=environment)


def script_of(dump: Path, major: int) -> Iterator[bytes]:
    """Yield SQL that ends by COMMIT only if `pg_restore` has written all of it."""
    yield EMPTY.encode()
    command = ["pg_restore", "--no-owner", "--no-privileges", "--no-comments", "--file=-", str(dump)]
    for number, block in enumerate(output_of(command, variable="PATH")):
        yield block.replace(UNKNOWN_SETTING, b"", 1) if number == 0 and major < 17 else block
    yield b"\nCOMMIT;\n"


@contextmanager
def scratch(_work: Path) -> Iterator[str]:
    """Create a database next to that of the product, for one verification, and yield its name."""
    name = f"backup_verify_{secrets.token_hex(6)}"
    with connected() as raw:
        raw.autocommit = True
        [(encoding, collate, ctype)] = raw.execute(
            "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchall()
        options = f"ENCODING '{encoding}' LC_COLLATE '{collate}' LC_CTYPE '{ctype}'"
        try:
            raw.execute(f"CREATE DATABASE {name} TEMPLATE template0 {options}")
        except psycopg.Error as error:
            raise BackupError(
                f"No database can be created for the verification: {error}. Let the role of DATABASE_URL have CREATEDB."
            ) from error
        try:
            yield name
        finally:
            raw.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def require_direct() -> None:
    if connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]:
        raise BackupError(
            "Backups need a direct connection to PostgreSQL, without PgBouncer. Name the server in DATABASE_URL, and"
            " set DATABASE_PREPARED_STATEMENTS=true."
        )


def require_program(program: str, major: int) -> None:
    """Raise BackupError if a client program is missing, or older than the server."""
    cure = f"Install postgresql-client{f'-{major}' if major else ''} or newer on PATH"
    try:
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise BackupError(f"{program} is missing. {cure}.") from error
    version = shown.stdout.partition(")")[2].split(".")[0].strip()
    if version.isdigit() and int(version) < major:
        raise BackupError(f"{program} {version} cannot read a server of version {major}. {cure}.")


@contextmanager
def connected(name: str = "") -> Iterator[psycopg.Connection[Any]]:
    address, environment = address_of(name)
    try:
        with psycopg.connect(address, password=environment.get("PGPASSWORD")) as raw:
            yield raw
    except psycopg.Error as error:
        raise BackupError(f"The database fails: {error}. Check DATABASE_URL.") from error


def address_of(name: str = "") -> tuple[str, dict[str, str]]:
    """Return the connection string, without the password, and the environment with it. Raises BackupError."""
    parameters: dict[str, Any] = connection.get_connection_params()
    if "sslpassword" in parameters:
        raise BackupError(
            "DATABASE_URL has an sslpassword, which every user of this machine could read in the arguments of pg_dump."
            " Use a key without a password, in a file that only this user can read."
        )
    options = {key: value for key, value in parameters.items() if key in LIBPQ}
    password = options.pop("password", None)
    if name:
        options["dbname"] = name
    return make_conninfo(**options), {"PGPASSWORD": password} if password else {}
