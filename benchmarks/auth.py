"""Two figures about log-in, from the running product: the time of a response does not depend on whether the account
exists, and a storm of logins does not slow the rest of the API.

    python -m benchmarks.auth            SQLite; with TEST_DATABASE_URL and TEST_REDIS_URL the real services

Each comparison is interleaved in one run (A B A B …), so that a drifting machine drifts for both.
"""

import http.client
import json
import math
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import django

import config.tests.environment  # noqa: F401 - names every variable, before the settings are read

django.setup()

from config.tests.processes import Product  # noqa: E402

TRIES = 200
PASSWORD = "Corr3ct-horse-battery"
GUESSES_PER_ADDRESS = 4  # one less than locks
STORM_LOGINS, STORM_CLIENTS, STORM_SECONDS = 1000, 64, 20


class Client:
    """Keep-alive connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def send(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[float, int, bytes]:
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        started = time.perf_counter()
        self.connection.request(method, f"/api/v1{path}", body and json.dumps(body), headers)
        response = self.connection.getresponse()
        data = response.read()
        return time.perf_counter() - started, response.status, data


def accounts(client: Client, count: int) -> list[str]:
    addresses = [f"known{number}@example.com" for number in range(count)]
    for address in addresses:
        person = {"email": address, "password": PASSWORD, "name": "Known"}
        assert client.send("POST", "/auth/register", person)[1] == 201
    return addresses


def interleaved(
    first: Callable[[int], float], second: Callable[[int], float]
) -> tuple[list[float], list[float]]:
    left, right = [], []
    for number in range(TRIES):
        left.append(first(number))
        right.append(second(number))
    return left, right


def mann_whitney_p(left: list[float], right: list[float]) -> float:
    """Return the two-sided p-value by the normal approximation, which is good from 20 values on."""
    ranked = sorted([(value, 0) for value in left] + [(value, 1) for value in right])
    rank_sum = sum(rank for rank, (_value, side) in enumerate(ranked, 1) if side == 0)
    n, m = len(left), len(right)
    u = rank_sum - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


def report(name: str, known: list[float], unknown: list[float]) -> None:
    a, b = statistics.median(known), statistics.median(unknown)
    print(
        f"{name:32} known {a * 1000:8.2f} ms   unknown {b * 1000:8.2f} ms"
        f"   difference {abs(a - b) / max(a, b):6.2%}   p = {mann_whitney_p(known, unknown):.3f}"
    )


def enumeration(product: Product) -> None:
    client = Client(product.port)
    known = accounts(client, -(-TRIES // GUESSES_PER_ADDRESS))

    def login(address: str) -> float:
        seconds, status, _ = client.send(
            "POST", "/auth/login", {"email": address, "password": "Wr0ng-password"}
        )
        assert status == 401, status
        return seconds

    def forgot(address: str) -> float:
        seconds, status, _ = client.send("POST", "/auth/forgot-password", {"email": address})
        assert status == 202, status
        return seconds

    for name, action in (("login, wrong password", login), ("forgot-password", forgot)):
        report(
            name,
            *interleaved(
                lambda number, act=action: act(known[number % len(known)]),
                lambda number, act=action: act(f"unknown{number % len(known)}@example.com"),
            ),
        )


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def storm(product: Product) -> None:
    client = Client(product.port)
    person = {"email": "calm@example.com", "password": PASSWORD, "name": "Calm"}
    token = json.loads(client.send("POST", "/auth/register", person)[2])["data"]["tokens"]["accessToken"]
    calm = [client.send("GET", "/resources", token=token)[0] for _ in range(300)]

    over = threading.Event()
    busy: list[float] = []

    def watch() -> None:
        watcher = Client(product.port)
        while not over.is_set():
            seconds, status, _ = watcher.send("GET", "/resources", token=token)
            assert status == 200, status
            busy.append(seconds)

    watchers = [threading.Thread(target=watch) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    statuses, seconds = logins(product)
    over.set()
    for watcher in watchers:
        watcher.join()
    counts = {status: statuses.count(status) for status in sorted(set(statuses))}
    print(
        f"storm: {len(statuses)} logins in {seconds:.1f} s, responses {counts}: {counts[200] / seconds:.1f}/s good"
    )
    for name, values in (("before", calm), ("meanwhile", busy)):
        half, most = percentile(values, 0.5), percentile(values, 0.95)
        print(
            f"  GET /resources {name:10} p50 {half * 1000:7.1f} ms   p95 {most * 1000:7.1f} ms   n = {len(values)}"
        )


def logins(product: Product) -> tuple[list[int], float]:
    """Log many clients in, each retrying a 503 after its `Retry-After`."""
    local = threading.local()
    deadline = time.monotonic() + STORM_SECONDS
    statuses: list[int] = []

    def one(_number: int) -> None:
        if not hasattr(local, "client"):
            local.client = Client(product.port)
        while time.monotonic() < deadline:
            status = local.client.send(
                "POST", "/auth/login", {"email": "calm@example.com", "password": PASSWORD}
            )[1]
            statuses.append(status)
            if status != 503:
                return
            time.sleep(2)

    started = time.perf_counter()
    with ThreadPoolExecutor(STORM_CLIENTS) as pool:
        list(pool.map(one, range(STORM_LOGINS)))
    return statuses, time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Product(Path(folder), BCRYPT_ROUNDS="10") as product:
        print(
            f"{product.environment['DATABASE_URL'].split(':')[0]}, Python {sys.version.split()[0]}, bcrypt 10 rounds"
        )
        enumeration(product)
        storm(product)


if __name__ == "__main__":
    main()
