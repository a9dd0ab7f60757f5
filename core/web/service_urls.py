"""The URLs of the database, Redis and the broker in environment variables, and the options in their queries.

An option that is unknown or given twice stops the start: a mistyped `sslmode` must not end in a connection without TLS.
redis-py, django-redis, kombu and py-amqp read the options of TLS differently, and without any kombu trusts every
certificate. So this module checks them once and converts them for each library.
Imported by config/settings.py before Django is ready.
"""

import ssl
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import dj_database_url
from environs import EnvError
from psycopg.pq import Conninfo

from core.web import sentinels


def split_url(text: str) -> SplitResult:
    """Return the parts of a URL. Raises EnvError, which names the variable, where urllib raises ValueError.

    The text of that ValueError may hold the password.
    """
    try:
        return urlsplit(text)
    except ValueError as error:
        raise EnvError(
            "is not a URL: percent-encode [, ] and non-ASCII characters, but not the [] of an IPv6 host"
        ) from error


def query_options(query: str, known: Collection[str]) -> dict[str, str]:
    """Return the options in the query of a URL. Raises EnvError for one that is unknown or given twice."""
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if unknown := sorted(options.keys() - known):
        raise EnvError(f"has an option that is not known: {', '.join(unknown)}")
    names = [name for name, _ in pairs]
    if repeated := sorted(name for name in options if names.count(name) > 1):
        raise EnvError(f"has an option that is given twice: {', '.join(repeated)}")
    return options


# --- the database ---------------------------------------------------------------------------------

SQLITE: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 10.0,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
# The server binds and prepares statements, so it parses and plans each of them once for a connection. The time limits
# of statements are set after connecting: core/web/request_context.py. A host that has vanished is noticed by the TCP
# timeout: at once by a statement that is sent, by the keep-alive while one waits for its result.
POSTGRESQL: dict[str, Any] = {
    "server_side_binding": True,
    "prepare_threshold": 1,
    "connect_timeout": 2,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 20,
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
LIBPQ_FILES = {"sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"}


def parse_database(text: str) -> dict[str, Any]:
    """Return the entry of DATABASES. Options in the query of the URL override our defaults."""
    parts = split_url(text)
    if parts.scheme not in {"postgres", "postgresql", "sqlite"}:
        raise EnvError("must look like postgres://user:password@host:5432/name or sqlite:///path/to/file")
    if parts.fragment:
        raise EnvError("holds a #: write %23 for it, and percent-encode other such characters of a password")
    try:
        database: dict[str, Any] = dict(dj_database_url.parse(text))
    except ValueError as error:
        raise EnvError(f"is not a database URL: {error}") from error
    if parts.scheme == "sqlite":
        if parts.netloc not in {"", ":memory:"}:
            raise EnvError("must have three slashes: sqlite:///path/to/file")
        options = query_options(parts.query, {"timeout"})
        return database | {"OPTIONS": SQLITE | {name: number(name, value) for name, value in options.items()}}
    options = query_options(parts.query, LIBPQ | {"currentSchema", "prepare_threshold"})
    if not database["NAME"] and "service" not in options:
        raise EnvError("names no database: postgres://user:password@host:5432/name")
    if twice := sorted(name for name, setting in ADDRESS.items() if name in options and database[setting]):
        raise EnvError(
            f"has the value of the option {', '.join(twice)} before its query too: leave one of them out"
        )
    # A process has at most as many connections as threads.
    postgresql = {"ENGINE": "core.db.postgresql", "CONN_MAX_AGE": 1800, "CONN_HEALTH_CHECKS": True}
    return database | postgresql | {"OPTIONS": postgresql_options(options)}


def parse_replica(text: str) -> dict[str, Any]:
    """Return the entry of DATABASES for a standby, or none for an empty URL."""
    if split_url(text).scheme not in {"", "postgres", "postgresql"}:
        raise EnvError("must look like postgres://user:password@host:5432/name")
    return parse_database(text) if text else {}


def postgresql_options(given: dict[str, str]) -> dict[str, Any]:
    options = POSTGRESQL | {name: checked(name, text) for name, text in given.items()}
    if schema := options.pop("currentSchema", None):
        options["options"] = " ".join(filter(None, (given.get("options"), f"-c search_path={schema}")))
    return options


def checked(name: str, text: str) -> Any:
    if name == "prepare_threshold" and text == "none":
        return None  # no statement is prepared on the server
    if name in NUMBERS:
        return number(name, text)
    if name in WORDS and text not in WORDS[name]:
        raise EnvError(f"option {name} must be one of {', '.join(WORDS[name])}")
    if name in LIBPQ_FILES and not (name == "sslrootcert" and text == "system") and not Path(text).is_file():
        raise EnvError(f"option {name} names no file: {text}")
    return text


def number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise EnvError(f"option {name} must be a number")
    return int(text)


# --- Redis and the broker -------------------------------------------------------------------------

REDIS_SCHEMES = frozenset({"redis", "rediss", "unix", sentinels.SCHEME})
BROKER_SCHEMES = frozenset({*REDIS_SCHEMES, "amqp", "amqps", "pyamqp"})
TLS_SCHEMES = frozenset({"rediss", "amqps"})
# The other query options of each scheme; kombu accepts no more.
OTHER_OPTIONS = {"unix": {"db"}, "amqp": {"heartbeat"}, "amqps": {"heartbeat"}, "pyamqp": {"heartbeat"}}
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
VERIFICATION = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def parse_redis(text: str) -> str:
    return normalized(text, REDIS_SCHEMES, "redis://host:6379/0") if text else text


def parse_broker(text: str) -> str:
    example = "redis://host:6379/0 or amqp://user:password@host:5672//"
    return normalized(text, BROKER_SCHEMES, example) if text else text


def normalized(text: str, schemes: frozenset[str], example: str) -> str:
    """Return the URL with its scheme in lower case, its options named as in redis-py, and `ssl_cert_reqs` if it uses
    TLS. Raises EnvError for an option that is unknown or cannot work."""
    if sentinels.is_sentinel(text):
        sentinels.parse_sentinel(text)
        return f"{sentinels.SCHEME}:{text.partition(':')[2]}"
    parts = split_service(text)
    if parts.scheme not in schemes:
        raise EnvError(f"must look like {example}")
    others = OTHER_OPTIONS.get(parts.scheme, set())
    options = query_options(parts.query, {*FILES, "ssl_cert_reqs", "ssl_check_hostname", *others})
    tls = options.keys() - others
    if tls and parts.scheme not in TLS_SCHEMES:
        raise EnvError(
            f"has {sorted(tls)[0]}, but {parts.scheme}:// is without TLS: use rediss:// or amqps://"
        )
    if parts.scheme in TLS_SCHEMES:
        options |= verification(options)
        refuse_unusable_files(options)
    return joined(f"{parts.scheme}:{text.partition(':')[2]}", options)


def split_service(url: str) -> SplitResult:
    if "#" in url:
        raise EnvError("holds a #: write %23 for it in a password; options follow a ?")
    parts = split_url(url)
    try:
        parts.port  # noqa: B018 - parsed on access
    except ValueError as error:
        # Without the text of the ValueError: it holds the start of a password with a slash.
        raise EnvError("has an invalid port: percent-encode the / of a password") from error
    if parts.scheme in TLS_SCHEMES and ";" in url:
        raise EnvError("must name one server, whose name its certificate can be compared with")
    return parts


def joined(url: str, options: dict[str, str]) -> str:
    """Return the URL with these options. urllib would remove two slashes of `unix:///run/redis.sock`."""
    return "?".join(filter(None, (url.partition("?")[0], urlencode(options, safe="/"))))


def verification(options: dict[str, str]) -> dict[str, str]:
    """Return the verification options, by default the strictest: `CERT_NONE` becomes `none`, `0` becomes `false`."""
    requirement = options.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if requirement not in VERIFICATION:
        raise EnvError("has ssl_cert_reqs in its query, which must be required, optional or none")
    check_hostname = BOOLEANS.get(options.get("ssl_check_hostname", "true").lower())
    if check_hostname is None:
        raise EnvError("has ssl_check_hostname in its query, which must be true or false")
    checked = check_hostname and requirement != "none"
    return {"ssl_cert_reqs": requirement, "ssl_check_hostname": str(checked).lower()}


def refuse_unusable_files(options: dict[str, str]) -> None:
    if ("ssl_certfile" in options) != ("ssl_keyfile" in options):
        raise EnvError("must have both ssl_certfile and ssl_keyfile in its query, or neither")
    try:
        context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
        if "ssl_certfile" in options:
            context.load_cert_chain(options["ssl_certfile"], options["ssl_keyfile"])
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        names = ", ".join(f"{name}={options[name]}" for name in FILES if name in options)
        raise EnvError(f"names a file that cannot be used ({names}): {error}") from error


def broker_connection(url: str) -> tuple[str, dict[str, Any] | None]:
    """Return CELERY_BROKER_URL and CELERY_BROKER_USE_SSL for a parsed URL."""
    if sentinels.is_sentinel(url):
        return sentinels.broker_urls(url), None
    parts = split_url(url)
    sent = dict(parse_qsl(parts.query))
    others = {name: value for name, value in sent.items() if not name.startswith("ssl_")}
    if parts.scheme == "unix":
        return joined(f"redis+socket://{parts.path}", {"virtual_host": sent.get("db", "0")}), None
    plain = joined(url, others)
    if parts.scheme not in TLS_SCHEMES:
        return plain, None
    files = {name: sent[name] for name in FILES if name in sent}
    requirement, checked = VERIFICATION[sent["ssl_cert_reqs"]], BOOLEANS[sent["ssl_check_hostname"]]
    if parts.scheme == "rediss":
        return plain, {**files, "ssl_cert_reqs": requirement, "ssl_check_hostname": checked}
    options = {name.removeprefix("ssl_"): value for name, value in files.items()}
    # py-amqp checks the host name in the certificate only if `server_hostname` is set.
    return plain, {**options, "cert_reqs": requirement} | (
        {"server_hostname": parts.hostname} if checked else {}
    )


def broker_options(url: str) -> dict[str, Any]:
    """Return CELERY_BROKER_TRANSPORT_OPTIONS for a parsed URL, which bound every wait for the broker."""
    if not url.startswith(("redis", "unix")):
        # Without confirmations a publisher does not notice that its connection is lost.
        return {"read_timeout": 5, "write_timeout": 5, "confirm_publish": True}
    timeouts = {"socket_connect_timeout": 1, "socket_timeout": 5, "health_check_interval": 10}
    options = {**timeouts, "visibility_timeout": 300, "socket_keepalive": True}
    if not sentinels.is_sentinel(url):
        return options
    parsed = sentinels.parse_sentinel(url)
    return {**options, "master_name": parsed.master, "sentinel_kwargs": parsed.sentinel_options(1)}
