"""The product with every service private to it and behind a proxy, and the traffic and probes of its clients."""

import secrets
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
from django.conf import settings

from config.tests.faults.network import Proxy
from config.tests.processes import Product, Reply, call
from core.tests.waiting import wait_until

sys.path.insert(0, str(settings.BASE_DIR / ".ci"))
from private_servers import PrivateServer, private_postgres, private_redis

PASSWORD = "Corr3ct-horse-battery"
REFUSALS = {429, 503, 507}
DURABLE = ("-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on")


class Stage(Product):
    """A Product on a PostgreSQL and a Redis of its own. Each is reached through a proxy: `to_postgres`, `to_redis`."""

    def __init__(
        self, folder: Any, postgres: PrivateServer, redis: PrivateServer, **environment: str
    ) -> None:
        self.postgres, self.redis = postgres, redis
        self.to_postgres, self.to_redis = (
            Proxy(int(urlsplit(server.url).port or 0)) for server in (postgres, redis)
        )
        broker = through(redis.url, self.to_redis)
        limits = {f"THROTTLE_{scope}": "1000000/min" for scope in ("USER", "ANON", "AUTH")}
        super().__init__(
            folder, **{"REDIS_URL": broker, "CELERY_BROKER_URL": broker, **limits, **environment}
        )

    def database_url(self, _folder: Any) -> str:
        url = urlsplit(self.postgres.url)._replace(path=f"/{self.database}").geturl()
        return through(url, self.to_postgres)

    @property
    def has_worker(self) -> bool:
        return bool(self.environment["CELERY_BROKER_URL"])

    def administer(self, statement: str) -> None:
        with self.connection("postgres") as connection:
            connection.execute(statement)

    def connection(self, database: str = "") -> Any:
        """Return a connection that passes no proxy."""
        url = urlsplit(self.postgres.url)._replace(path=f"/{database or self.database}").geturl()
        return psycopg.connect(url, autocommit=True, connect_timeout=5)

    def try_to_connect(self) -> Any:
        """Return a connection that passes no proxy, or None if the server has none left."""
        try:
            return self.connection()
        except psycopg.OperationalError:
            return None

    def user(self, name: str) -> str:
        """Register a user, and return an access token."""
        person = {"email": f"{name}@example.com", "password": PASSWORD, "name": name}
        tokens = self.api("POST", "/auth/register", person).json()["data"]["tokens"]
        return str(tokens["accessToken"])

    def mails(self, address: str) -> list[Any]:
        """Return the emails that the mail server has kept for this address so far."""
        return [mail for mail in list(self.sink.messages.queue) if mail["To"] == address]


def through(url: str, proxy: Proxy) -> str:
    parts = urlsplit(url)
    login, at, _address = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{login}{at}127.0.0.1:{proxy.port}").geturl()


@contextmanager
def staged(
    folder: Any,
    worker_app: str = "config",
    kind: type[Stage] = Stage,
    options: Iterable[str] = (),
    **environment: str,
) -> Iterator[Stage]:
    """Run a Stage of this class until the block ends, its worker with this Celery application, and its PostgreSQL with
    these further options."""
    with ExitStack() as stack:
        postgres = stack.enter_context(private_postgres(*DURABLE, *options))
        redis = stack.enter_context(private_redis())
        stage = kind(folder, postgres, redis, **environment)
        stage.worker_app = worker_app
        stack.enter_context(stage.to_postgres)
        stack.enter_context(stage.to_redis)
        stack.enter_context(stage)
        yield stage


class Outcome(NamedTuple):
    """One request: when it began, how long it took, and its status; 0 without a response."""

    began: float
    seconds: float
    status: int
    key: str  # of a created object

    @property
    def ended(self) -> float:
        return self.began + self.seconds


@dataclass
class Traffic:
    """Clients that create and list objects one after the other, and a probe of liveness. Use as a context manager."""

    stage: Stage
    token: str
    clients: int = 4
    outcomes: list[Outcome] = field(default_factory=list)
    probes: list[Outcome] = field(default_factory=list)

    def __enter__(self) -> "Traffic":
        self.ended = threading.Event()
        self.threads = ThreadPoolExecutor(self.clients + 1)
        self.running = [self.threads.submit(self.repeat, self.create_or_list) for _ in range(self.clients)]
        self.running.append(self.threads.submit(self.repeat, self.probe))
        return self

    def __exit__(self, *_error: object) -> None:
        self.ended.set()
        for each in self.running:
            each.result(60)
        self.threads.shutdown()

    def repeat(self, act: Callable[[], None]) -> None:
        while not self.ended.is_set():
            act()

    def create_or_list(self) -> None:
        title = secrets.token_hex(8)
        self.outcomes.append(
            self.timed(lambda: self.stage.api("POST", "/resources", {"title": title}, self.token))
        )
        self.outcomes.append(self.timed(lambda: self.stage.api("GET", "/resources", token=self.token)))

    def probe(self) -> None:
        self.probes.append(self.timed(lambda: call(f"{self.stage.url}/health/live")))
        self.ended.wait(0.05)

    def timed(self, send: Callable[[], Reply]) -> Outcome:
        began = time.monotonic()
        try:
            reply: Reply | None = send()
        except (OSError, urllib.error.URLError):
            reply = None
        seconds = time.monotonic() - began
        key = reply.json()["data"]["id"] if reply is not None and reply.status == 201 else ""
        return Outcome(began, seconds, reply.status if reply else 0, key)

    # --- what must hold: of the requests that ended after `since`, so also of those that a fault met halfway ---

    def statuses(self, since: float = 0.0) -> Counter[int]:
        return Counter(one.status for one in self.outcomes if one.ended >= since)

    def slowest(self, since: float = 0.0) -> float:
        return max(one.seconds for one in self.outcomes if one.ended >= since)

    def slowest_probe(self, since: float = 0.0) -> float:
        return max(one.seconds for one in self.probes if one.ended >= since)

    def wait_for(self, count: int = 20, since: float | None = None) -> None:
        """Wait until so many requests that began after `since` have succeeded."""
        start = time.monotonic() if since is None else since
        wait_until(
            lambda: sum(one.began >= start and one.status in {200, 201} for one in self.outcomes) >= count, 60
        )

    def recovered_after(self, moment: float) -> float:
        """Return the seconds from this moment to the end of the first successful request that began after it."""
        ends = [one.ended for one in self.outcomes if one.began >= moment and one.status in {200, 201}]
        return min(ends) - moment

    def lost(self) -> set[str]:
        """Return the ids of objects whose creation was confirmed, and that are not stored."""
        # Before the rows are read: clients may go on meanwhile.
        confirmed = {one.key for one in self.outcomes if one.key}
        with self.stage.connection() as connection:
            stored = {
                str(key) for (key,) in connection.execute("SELECT id FROM resources_resource").fetchall()
            }
        return confirmed - stored
