"""The file that Locust loads: the virtual users, the accounts before the run, and the summary after it."""

import os
import sys
from datetime import UTC, datetime
from typing import Any

from locust import events

from benchmarks.load_test import accounts, client, options, summary
from benchmarks.load_test.scenarios import Logins, Mixed, Search, Uploads

__all__ = ["Logins", "Mixed", "Search", "Uploads"]

CHOSEN = options.read(os.environ, datetime.now(UTC))
server = ""


@events.init.add_listener
def prepare(environment: Any, **_others: Any) -> None:
    global server
    print(f"Making {CHOSEN.users} accounts ready on {CHOSEN.host} …", flush=True)
    try:
        server, client.waiting[:] = accounts.prepare(CHOSEN)
    except options.Refused as error:
        print(f"load: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"Load for {CHOSEN.seconds} s: {CHOSEN.command}", flush=True)


def row_of(entry: Any) -> summary.Row:
    return summary.Row(
        method=entry.method or "",
        route=entry.name,
        requests=entry.num_requests,
        failures=entry.num_failures,
        rate=round(entry.total_rps, 1),
        p50=round(entry.get_response_time_percentile(0.5)),
        p95=round(entry.get_response_time_percentile(0.95)),
        p99=round(entry.get_response_time_percentile(0.99)),
    )


@events.quitting.add_listener
def report(environment: Any, **_others: Any) -> None:
    rows = sorted(map(row_of, environment.stats.entries.values()), key=lambda row: (row.route, row.method))
    limited = sum(row.requests for row in rows if row.method == client.LIMITED)
    described = summary.describe(CHOSEN, server, rows, row_of(environment.stats.total), limited)
    summary.write(CHOSEN, described)
    for problem in described["problems"]:
        print(f"load: {problem}", file=sys.stderr)
    print(f"The report is {CHOSEN.report / 'report.html'}, its figures are in summary.json there.")
    environment.process_exit_code = 1 if described["problems"] else 0
