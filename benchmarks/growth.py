"""Measure requests on a database that `python -m benchmarks.seed` has filled, and what its tables take on the disk.

    DATABASE_URL=postgres://… DEBUG=true python -m benchmarks.growth

Needs the users of `--users` and the one of `--heavy`. Prints Markdown: for each request the median milliseconds of its
statements, with the way to the database and back, of the whole request, and the number of statements; then megabytes
of each table with its indexes. The cache of responses is off. Writes are rolled back.
"""

import os
import statistics
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import django
from django.conf import settings
from django.db import connection, transaction
from django.test import Client

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.update(RESPONSE_CACHE_SECONDS="0", THROTTLE_USER="1000000/min", LOG_LEVEL="ERROR")
    os.environ.update(ALLOWED_HOSTS="testserver", SLOW_STATEMENT_MS="0")
    django.setup()

from accounts.models import Role, User
from accounts.services.sessions import open_session
from benchmarks.seed import EMAIL, HEAVY_EMAIL

API = "/api/v1/resources"
PAGES_DEEP, ROWS = 200, 100
SIZES = """
SELECT relname, reltuples::bigint, pg_table_size(oid) / 1e6, pg_indexes_size(oid) / 1e6 FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_total_relation_size(oid) > 1e6
ORDER BY pg_total_relation_size(oid) DESC
"""
Send = Callable[[], Any]


class Undo(Exception):
    """Raised to roll a measured write back."""


class Clock:
    """The number of statements and their milliseconds, as a wrapper of Django's."""

    def __init__(self) -> None:
        self.number, self.milliseconds = 0, 0.0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.number += 1
            self.milliseconds += (time.perf_counter() - began) * 1000


def client_of(email: str) -> Client:
    token = open_session(User.objects.with_email(email).get()).access
    return Client(headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})


def expect(response: Any, status: int = 200) -> Any:
    if response.status_code != status:
        raise SystemExit(
            f"growth: {response.request['PATH_INFO']} is {response.status_code}: {response.content!r}"
        )
    return response.json()


def reads(client: Client, word: str) -> Iterator[tuple[str, Send]]:
    def get(query: str = "", path: str = API) -> Send:
        return lambda: expect(client.get(f"{path}?{query}"))

    first = get("limit=20")()["data"][0]["id"]
    yield "detail", get(path=f"{API}/{first}")
    yield "page 1, with the total", get()
    yield "page 1 by cursor, without a total", get("cursor=")
    cursor = ""
    for _page in range(PAGES_DEEP):
        meta = get(f"limit={ROWS}&cursor={quote(cursor)}")()["meta"]
        if not meta["nextCursor"]:
            break
        cursor = meta["nextCursor"]
    else:
        yield f"a page by cursor after {PAGES_DEEP * ROWS:,} rows", get(f"cursor={quote(cursor)}")
        yield "page 1,000", get("page=1000")
    yield "page 1 of a status, by title", get("status=draft&sort=title")
    yield "page 1 of a tag", get("tag=work")
    yield "search: no match", get("search=qqqqzzzz")
    yield "search: a rare word", get(f"search={quote(word)}")
    yield "search: a word of most rows", get("search=the")


def writes(client: Client) -> Iterator[tuple[str, Send]]:
    body = {"title": "A growing table", "content": "word " * 100, "tags": ["work", "home"]}

    def undone(send: Send) -> Send:
        def run() -> None:
            try:
                with transaction.atomic():
                    send()
                    raise Undo
            except Undo:
                pass

        return run

    identity = expect(client.get(f"{API}?limit=1"))["data"][0]["id"]
    yield "create with two tags", undone(lambda: expect(client.post(API, body, "application/json"), 201))
    path = f"{API}/{identity}"
    yield "change", undone(lambda: expect(client.patch(path, {"title": "Other"}, "application/json")))


@contextmanager
def admin() -> Iterator[Client]:
    """Make the first user an admin meanwhile."""
    user = User.objects.with_email(EMAIL.format(1)).get()
    user.role = Role.ADMIN
    user.save(update_fields=["role"])
    try:
        yield client_of(user.email)
    finally:
        user.role = Role.USER
        user.save(update_fields=["role"])


def measure(send: Send, times: int) -> tuple[float, float, int]:
    """Return median milliseconds of the statements and of all, and their number, after one run that does not count."""
    send()
    clocks, lengths = [], []
    for _ in range(times):
        clock = Clock()
        began = time.perf_counter()
        with connection.execute_wrapper(clock):
            send()
        lengths.append((time.perf_counter() - began) * 1000)
        clocks.append(clock)
    return (
        statistics.median(clock.milliseconds for clock in clocks),
        statistics.median(lengths),
        clocks[-1].number,
    )


def print_requests(who: str, requests: Iterator[tuple[str, Send]], times: int) -> None:
    for name, send in requests:
        sql, whole, number = measure(send, times)
        print(f"| {who} | {name} | {sql:.1f} | {whole:.1f} | {number} |", flush=True)


def print_sizes() -> None:
    print("\n| table | rows | MB | MB of indexes |\n|---|---|---|---|")
    with connection.cursor() as cursor:
        cursor.execute(SIZES)
        for name, rows, table, indexes in cursor.fetchall():
            print(f"| {name} | {rows:,} | {table:,.0f} | {indexes:,.0f} |")


def rare_word(email: str) -> str:
    """Return the longest word of a title of this user, which few other texts have."""
    title = User.objects.with_email(email).get().resources.order_by("pk").first().title
    return max(title.split(), key=len)


def main(arguments: list[str] | None = None) -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=9, help="measured runs of each request (default 9)")
    times = parser.parse_args(arguments).times
    if connection.vendor != "postgresql" or not settings.DEBUG:
        raise SystemExit(
            "growth: it needs DATABASE_URL of PostgreSQL, filled by benchmarks.seed, and DEBUG=true"
        )
    print("| of | request | ms of statements | ms | statements |\n|---|---|---|---|---|")
    for who, email in (("a user with 200", EMAIL.format(2)), ("the heavy user", HEAVY_EMAIL)):
        client = client_of(email)
        print_requests(who, reads(client, rare_word(email)), times)
        print_requests(who, writes(client), times)
    with admin() as client:
        everybody = lambda query: lambda: expect(client.get(f"{API}?scope=all&{query}"))  # noqa: E731
        requests = {
            "page 1, with the total": "",
            "page 1 by cursor": "cursor=",
            "search: no match": "search=qqqqzzzz",
        }
        print_requests(
            "everybody (`scope=all`)", ((name, everybody(query)) for name, query in requests.items()), times
        )
    print_sizes()


if __name__ == "__main__":
    main()
