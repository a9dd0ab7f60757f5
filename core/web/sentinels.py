"""The URL of a Redis behind Sentinels, and clients of it: the Sentinels name its master, also after a failover.

`redis+sentinel://user:password@host:26379,host:26379/master/0`: the addresses of the Sentinels, the name of the master
as they know it, and the number of the database. User and password are those of Redis; those of the Sentinels are
`sentinel_username` and `sentinel_password` in the query. Imported by config/settings.py before Django is ready.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from environs import EnvError
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

SCHEME = "redis+sentinel"
OPTIONS = {"sentinel_username": "username", "sentinel_password": "password"}
PORT = 26379
EXAMPLE = f"{SCHEME}://:password@host:26379,host:26379/mymaster/0"
MASTER = re.compile(r"[A-Za-z0-9._-]+")  # the names that Sentinel takes


@dataclass(frozen=True)
class SentinelUrl:
    """The parts of such a URL."""

    sentinels: tuple[tuple[str, int], ...]
    master: str
    database: int
    login: dict[str, str]  # `username` and `password` of Redis, as far as they are given
    sentinel_login: dict[str, str]

    def sentinel_options(self, seconds: float) -> dict[str, Any]:
        """Return the options of connections to the Sentinels. One that fails is not tried twice: there are others."""
        timeouts = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
        return {**self.sentinel_login, **timeouts, "retry": Retry(NoBackoff(), 0)}


def is_sentinel(url: str) -> bool:
    return url.partition(":")[0].lower() == SCHEME


def parse_sentinel(text: str) -> SentinelUrl:
    """Return the parts. Raises EnvError, which does not hold the password."""
    refusal = EnvError(f"must look like {EXAMPLE}")
    try:
        parts = urlsplit(text)
        login, _at, hosts = parts.netloc.rpartition("@")
        addresses = [urlsplit(f"//{host}") for host in hosts.split(",")]
        sentinels = tuple((address.hostname or "", address.port or PORT) for address in addresses)
        master, _slash, database = parts.path.removeprefix("/").partition("/")
        pairs = parse_qsl(parts.query, strict_parsing=bool(parts.query))
        number = int(database or 0) if database.isascii() else -1
    except ValueError as error:
        raise refusal from error
    unknown = sorted({name for name, _value in pairs} - OPTIONS.keys())
    if unknown or len(dict(pairs)) < len(pairs):
        raise EnvError(f"has an option that is not known, or twice: {', '.join(unknown) or pairs[0][0]}")
    if not MASTER.fullmatch(master) or number < 0 or parts.fragment or not all(host for host, _ in sentinels):
        raise refusal
    username, _colon, password = login.partition(":")
    given = {"username": unquote(username), "password": unquote(password)}
    return SentinelUrl(
        sentinels=sentinels,
        master=master,
        database=number,
        login={name: value for name, value in given.items() if value},
        sentinel_login={OPTIONS[name]: value for name, value in pairs},
    )


def broker_urls(url: str) -> str:
    """Return the URL of a broker as kombu documents it: one for each Sentinel."""
    parsed = parse_sentinel(url)
    names = [quote(parsed.login.get(name, ""), safe="") for name in ("username", "password")]
    login = f"{':'.join(names)}@" if parsed.login else ""
    hosts = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in parsed.sentinels)
    return ";".join(f"sentinel://{login}{host}/{parsed.database}" for host in hosts)


def client_of(url: str, seconds: float) -> Redis:
    """Return a client of the Redis at this URL, of either kind, that waits so long for each response."""
    timeouts: dict[str, Any] = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    if not is_sentinel(url):
        return Redis.from_url(url, **timeouts, retry=None)
    parsed = parse_sentinel(url)
    manager: Any = Sentinel(parsed.sentinels, sentinel_kwargs=parsed.sentinel_options(seconds))
    client: Redis = manager.master_for(
        parsed.master, db=parsed.database, retry=Retry(NoBackoff(), 0), **parsed.login, **timeouts
    )
    return client


def hosts_of(url: str) -> Iterator[str]:
    """Yield the names of the hosts that a client of this URL looks up first."""
    if is_sentinel(url):
        yield from (host for host, _port in parse_sentinel(url).sentinels)
    elif host := urlsplit(url).hostname:
        yield host
