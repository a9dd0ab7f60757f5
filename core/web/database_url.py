"""The parser of DATABASE_URL, which returns an entry of DATABASES or raises EnvError with the reason.

Options in the query of the URL override our defaults. An unknown option stops the start: a mistyped `sslmode` must not
end in a connection without TLS.
"""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import dj_database_url
from environs import EnvError
from psycopg.pq import Conninfo

from core.web.url_parts import split_url

SQLITE: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 10.0,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
# The server binds and prepares statements, so it parses and plans each of them once for a connection. The time limits
# of statements are set after connecting: core/web/request_context.py.
POSTGRESQL: dict[str, Any] = {
    "server_side_binding": True,
    "prepare_threshold": 1,
    "connect_timeout": 3,
    "tcp_user_timeout": 5000,
}
# The options of the installed libpq. Django sets the encoding; a connection for replication runs no SQL.
LIBPQ = {option.keyword.decode() for option in Conninfo.get_defaults()} - {"client_encoding", "replication"}
NUMBERS = {
    *("connect_timeout", "tcp_user_timeout", "prepare_threshold"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
}
WORDS = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
}
# Options of libpq whose values the URL can also have before its query.
ADDRESS = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
FILES = {"sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"}


def parse_database(text: str) -> dict[str, Any]:
    parts = split_url(text)
    if parts.scheme not in {"postgres", "postgresql", "sqlite"}:
        raise EnvError("must look like postgres://user:password@host:5432/name or sqlite:///path/to/file")
    if parts.fragment:
        raise EnvError("holds a #: write %23 for it, and percent-encode other such characters of a password")
    try:
        database: dict[str, Any] = dict(dj_database_url.parse(text))
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise EnvError(f"is not a database URL: {error}") from error
    options = dict(pairs)
    if len(options) < len(pairs):
        raise EnvError("has an option that is given twice")
    if parts.scheme == "sqlite":
        if parts.netloc not in {"", ":memory:"}:
            raise EnvError("must have three slashes: sqlite:///path/to/file")
        return database | {"OPTIONS": SQLITE | sqlite_options(options)}
    if not database["NAME"] and "service" not in options:
        raise EnvError("names no database: postgres://user:password@host:5432/name")
    refuse_repeated(database, options)
    return database | postgresql_like(postgresql_options(options))


def refuse_repeated(database: dict[str, Any], options: dict[str, str]) -> None:
    """Refuse an option that the URL also has before its query: Django would use one of the two values."""
    if twice := sorted(name for name, setting in ADDRESS.items() if name in options and database[setting]):
        raise EnvError(
            f"has the value of the option {', '.join(twice)} before its query too: leave one of them out"
        )


def sqlite_options(options: dict[str, str]) -> dict[str, Any]:
    refuse_unknown(options, {"timeout"})
    return {name: number(name, text) for name, text in options.items()}


def postgresql_like(options: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a PostgreSQL database. A process has at most as many connections as threads."""
    return {
        "ENGINE": "core.db.postgresql",
        "CONN_MAX_AGE": 1800,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


def postgresql_options(given: dict[str, str]) -> dict[str, Any]:
    refuse_unknown(given, LIBPQ | {"currentSchema", "prepare_threshold"})
    options = POSTGRESQL | {
        name: checked(name, text) for name, text in given.items() if name != "currentSchema"
    }
    if schema := given.get("currentSchema"):
        options["options"] = " ".join(filter(None, (given.get("options"), f"-c search_path={schema}")))
    return options


def refuse_unknown(given: dict[str, str], known: set[str]) -> None:
    if unknown := sorted(set(given) - known):
        raise EnvError(f"has an option that is not known: {', '.join(unknown)}")


def checked(name: str, text: str) -> Any:
    if name == "prepare_threshold" and text == "none":
        return None  # no statement is prepared on the server
    if name in NUMBERS:
        return number(name, text)
    if name in WORDS and text not in WORDS[name]:
        raise EnvError(f"option {name} must be one of {', '.join(WORDS[name])}")
    if name in FILES and not (name == "sslrootcert" and text == "system") and not Path(text).is_file():
        raise EnvError(f"option {name} names no file: {text}")
    return text


def number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise EnvError(f"option {name} must be a number")
    return int(text)
