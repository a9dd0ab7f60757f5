"""The variables of `make load`, its refusals and its verdict, without Locust."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings

from benchmarks.load_test import options, summary
from benchmarks.load_test.options import Refused

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HERE = {"HOST": "http://127.0.0.1:8000"}


def read(**variables):
    return options.read(HERE | variables, NOW)


def total(**changes):
    values = {"requests": 10_000, "failures": 0, "rate": 100.0, "p50": 5, "p95": 20, "p99": 50}
    return summary.Row(method="", route="Aggregated", **(values | changes))


def test_the_defaults_are_a_minute_of_mixed_requests():
    chosen = read()

    assert (chosen.users, chosen.spawn_rate, chosen.seconds, chosen.scenario) == (100, 10, 60, "mixed")
    assert chosen.report == Path("var/load/2026-01-02-030405-mixed")
    assert chosen.p95_ms is None


@pytest.mark.parametrize("host", ["http://localhost:1", "http://127.9.9.9", "http://[::1]:8000/"])
def test_this_machine_needs_no_confirmation(host):
    assert read(HOST=host).host == host.rstrip("/")


@pytest.mark.parametrize(
    "host",
    ["https://api.example.com", "http://10.0.0.1:8000", "http://0.0.0.0", "http://localhost.example.com"],
)
def test_another_host_needs_a_confirmation(host):
    with pytest.raises(Refused, match="CONFIRM=yes if the server is yours"):
        read(HOST=host)
    assert read(HOST=host, CONFIRM="yes").host == host


@pytest.mark.parametrize(
    "host",
    [
        "",
        "127.0.0.1:8000",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1/api",
        "http://[::1",
        "http://a@127.0.0.1",
    ],
)
def test_what_is_not_a_server_is_refused(host):
    with pytest.raises(Refused, match="HOST must be a server"):
        read(HOST=host, CONFIRM="yes")


@pytest.mark.parametrize(
    "variables",
    [
        {"USERS": "0"},
        {"USERS": "10001"},
        {"DURATION": "3601"},
        {"DURATION": "1m"},
        {"SPAWN_RATE": "-1"},
        {"P95_MS": "0"},
        {"SCENARIO": "ddos"},
        {"ACCOUNTS": "user@example.com", "PASSWORD": "x"},
        {"ACCOUNTS": "user-{}@example.com"},
    ],
    ids=str,
)
def test_a_wrong_variable_is_refused_by_name(variables):
    with pytest.raises(Refused, match=next(iter(variables))):
        read(**variables)


def test_the_password_is_not_in_the_command():
    command = read(ACCOUNTS="user-{}@example.com", PASSWORD="S3cret-of-mine", P95_MS="300").command

    assert "S3cret" not in command
    assert "ACCOUNTS='user-{}@example.com'" in command
    assert command.endswith("P95_MS=300")


def test_a_foreign_host_ends_the_command_with_2():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load_test.run"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"HOST": "https://api.example.com"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "load on a server of somebody else is an attack" in done.stderr


@pytest.mark.parametrize(
    ("changes", "limited", "p95_ms", "problem"),
    [
        ({"failures": 10}, 0, "", "0.1 % or more"),
        ({}, 0, "19", "above P95_MS=19"),
        ({}, 100, "", "rate limit"),
        ({"requests": 0}, 0, "", "no request"),
    ],
)
def test_a_run_does_not_pass(changes, limited, p95_ms, problem):
    [found] = summary.problems(total(**changes), limited, read(P95_MS=p95_ms))

    assert problem in found


def test_a_run_within_its_limits_passes():
    assert summary.problems(total(failures=9), 99, read(P95_MS="20")) == []
