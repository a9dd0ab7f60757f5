"""Where the time of one request goes: the real WSGI application, in this process, under cProfile.

    python -m benchmarks.profile L --requests 500

L is the first page of the caller's resources, D one of them, C a new one with two tags, S a search, N a list
with a 304 response. Configured as in production, on PostgreSQL and Redis, on a database of its own that is kept
for the next time (`--fresh` makes it anew). The figures of one machine compare with each other, not with another's.
"""

import argparse
import cProfile
import itertools
import json
import os
import pstats
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, suppress
from io import BytesIO
from typing import Any

import psycopg

from benchmarks import data, settings

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("scenario", choices=("L", "D", "C", "S", "N"))
parser.add_argument("--requests", type=int, default=500)
parser.add_argument("--top", type=int, default=30, help="how many functions to list")
parser.add_argument("--users", type=int, default=50)
parser.add_argument("--resources", type=int, default=200, help="of each user")
parser.add_argument("--database", default="profile", help="its name on the server")
parser.add_argument("--fresh", action="store_true", help="make the database anew")
parser.add_argument(
    "--database-url",
    default=os.environ.get("BENCH_DATABASE_URL") or "postgres://postgres@127.0.0.1:5432/postgres",
)
parser.add_argument("--redis-url", default=os.environ.get("BENCH_REDIS_URL") or "redis://127.0.0.1:6379/15")
options = parser.parse_args()
if options.fresh:
    settings.drop_database(options.database_url, options.database)
with suppress(psycopg.errors.DuplicateDatabase):  # a run before has made it
    settings.administer(options.database_url, f'CREATE DATABASE "{options.database}"')
database_url = settings.database_url(options.database_url, options.database)
os.environ.update(settings.ours(database_url, options.redis_url))

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import User  # noqa: E402
from accounts.services.sessions import open_session  # noqa: E402
from benchmarks.seed import Command  # noqa: E402
from config.wsgi import application  # noqa: E402
from resources.models import Resource  # noqa: E402

WARM_UP = 50


# --- requests -------------------------------------------------------------------------------------


def environ(method: str, path: str, token: str, body: bytes = b"", etag: str = "") -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SCRIPT_NAME": "",
        "SERVER_NAME": settings.HOST,
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": settings.HOST,
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json" if body else "",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
        "wsgi.errors": BytesIO(),
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **({"HTTP_IF_NONE_MATCH": etag} if etag else {}),
    }


def send(request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Send a request as a WSGI server does, up to the final `close`."""
    started: list[Any] = []
    response = application(request, lambda status, headers, *_: started.extend((status, headers)))
    body = b"".join(response)
    if close := getattr(response, "close", None):
        close()
    return int(started[0][:3]), dict(started[1]), body


def requests(scenario: str) -> Iterator[dict[str, Any]]:
    """Yield requests without end, by one user after another."""
    path = "/api/v1/resources"
    people = [caller for group in data.callers(database_url) for caller in group]
    users = User.objects.in_bulk([caller.id for caller in people], field_name="id")
    tokens = {str(key): open_session(user).access for key, user in users.items()}
    etags = {key: send(environ("GET", path, token))[1].get("ETag", "") for key, token in tokens.items()}
    if scenario == "N" and not all(etags.values()):
        raise SystemExit("Lists carry no ETag, so no response can be a 304.")
    for number in itertools.count():
        caller = people[number % len(people)]
        token = tokens[caller.id]
        if scenario == "D":
            key = caller.resources[number // len(people) % len(caller.resources)]
            yield environ("GET", f"{path}/{key}", token)
        elif scenario == "C":
            yield environ("POST", path, token, json.dumps(data.new_resource(caller, number)).encode())
        elif scenario == "S":
            yield environ("GET", f"{path}?search={(caller.rare, caller.common)[number % 2]}", token)
        else:
            yield environ("GET", path, token, etag=etags[caller.id] if scenario == "N" else "")


# --- figures --------------------------------------------------------------------------------------


def statements(one: Callable[[], object]) -> list[str]:
    """Return the statements of one request."""
    executed: list[str] = []

    def recording(execute: Any, sql: Any, *rest: Any) -> Any:
        executed.append(str(sql))
        return execute(sql, *rest)

    with connection.execute_wrapper(recording):
        one()
    return executed


def microseconds(one: Callable[[], object], batches: int = 5) -> float:
    """Time one request without the profiler: the best of five batches, which other processes disturbed least."""
    size = max(1, options.requests // batches)
    best = float("inf")
    for _ in range(batches):
        started = time.perf_counter()
        for _ in range(size):
            one()
        best = min(best, time.perf_counter() - started)
    return best / size * 1e6


def main() -> None:
    call_command("migrate", verbosity=0)
    call_command(Command(), users=options.users, resources=options.resources, password=data.PASSWORD)
    data.settle(database_url)
    expected = {"C": 201, "N": 304}.get(options.scenario, 200)
    started_at = timezone.now()

    def one() -> None:
        status, _headers, body = send(next(stream))
        assert status == expected, (status, body[:500])

    # The lines are written, but not shown.
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        stream = requests(options.scenario)
        for _ in range(WARM_UP):
            one()
        spoken = statements(one)
        alone = microseconds(one)
        profiler = cProfile.Profile()
        requests_made = [next(stream) for _ in range(options.requests)]
        profiler.enable()
        for request in requests_made:
            send(request)
        profiler.disable()
    report(profiler, spoken, alone)
    if options.scenario == "C":
        Resource.objects.filter(created_at__gte=started_at).delete()


def report(profiler: cProfile.Profile, spoken: list[str], alone: float) -> None:
    stats: Any = pstats.Stats(profiler)
    for order in ("tottime", "cumulative"):
        print(f"\n=== {options.scenario}, {options.requests} requests, by {order}")
        stats.sort_stats(order).print_stats(options.top)
    python = sum(entry[1] for (file, _, _), entry in stats.stats.items() if file != "~")
    native = stats.total_calls - python
    print(f"\n=== {options.scenario}: what one request costs")
    print(f"{alone:10.0f} µs without the profiler")
    print(
        f"{python / options.requests:10.0f} calls of Python functions, {native / options.requests:.0f} of native ones"
    )
    print(f"{len(spoken):10d} statements to PostgreSQL")
    for statement, count in Counter(spoken).items():
        print(f"  {count} × {' '.join(statement.split())[:1000]}")


if __name__ == "__main__":
    main()
