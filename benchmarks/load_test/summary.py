"""The figures of a run, and what they mean for the exit status."""

import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from benchmarks.hardware import memory_gib, processor
from benchmarks.load_test.options import Options

MAX_FAILED_SHARE = 0.001
MAX_LIMITED_SHARE = 0.01  # more, and the run measures the rate limits


@dataclass(frozen=True)
class Row:
    """The requests of one route."""

    method: str
    route: str
    requests: int
    failures: int
    rate: float  # requests a second
    p50: int  # milliseconds
    p95: int
    p99: int


def problems(total: Row, limited: int, chosen: Options) -> list[str]:
    """Return why the run did not pass."""
    if not total.requests:
        return ["no request was sent"]
    reasons = []
    if total.failures / total.requests >= MAX_FAILED_SHARE:
        reasons.append(f"{total.failures} of {total.requests} requests failed, which is 0.1 % or more")
    if chosen.p95_ms is not None and total.p95 > chosen.p95_ms:
        reasons.append(f"p95 is {total.p95} ms, above P95_MS={chosen.p95_ms}")
    if limited / total.requests >= MAX_LIMITED_SHARE:
        reasons.append(
            f"{limited} of {total.requests} requests were refused by a rate limit (429): "
            "raise THROTTLE_USER, THROTTLE_AUTH and THROTTLE_ANON of the server for the run"
        )
    return reasons


def describe(chosen: Options, server: str, rows: list[Row], total: Row, limited: int) -> dict[str, Any]:
    """Return the run as JSON: when, from where, against what, and the figures."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": chosen.command,
        "server_version": server,
        "client": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "memory_gib": memory_gib(),
            "system": f"{platform.system()} {platform.release().split('-')[0]}",
            "Python": platform.python_version(),
            "locust": version("locust"),
        },
        "total": vars(total),
        "refused_by_limits": limited,
        "rows": [vars(row) for row in rows],
        "problems": problems(total, limited, chosen),
    }


def write(chosen: Options, described: dict[str, Any]) -> None:
    (chosen.report / "summary.json").write_text(json.dumps(described, indent=2) + "\n")
