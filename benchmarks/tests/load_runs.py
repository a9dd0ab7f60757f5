"""`make load` against the running product: `make test-load`."""

import json
import os
import re
import subprocess

import pytest
from django.conf import settings

from benchmarks.load_test.options import SCENARIOS
from config.tests.processes import Product
from core.tests.waiting import wait_until
from core.web.demo import DEMO_PASSWORD

PYTHON = settings.BASE_DIR / ".venv-load" / "bin" / "python"
SECONDS = 150
TOKEN_SECONDS = 5  # of an access token: shorter than a run, which so must refresh it
SECRET = r"eyJ[\w-]+\.eyJ|Load-[\w-]{16}-1a|load-[0-9a-f]{8}-\d"  # a token, a password, an address
WRITES = {"POST /resources", "PATCH /resources/{id}", "DELETE /resources/{id}"}
ROUTES = {
    "mixed": {"GET /resources", "GET /resources/{id}", "POST /auth/refresh"},
    "logins": {"POST /auth/login", "GET /users/me", "POST /auth/logout"},
    "search": {"GET /resources?search={word}", "GET /resources?search={word}&cursor"},
    "uploads": {"POST /resources/{id}/attachments", "DELETE /resources/{id}/attachments/{id}"},
}


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    with Product(tmp_path_factory.mktemp("load"), ACCESS_TOKEN_MINUTES=str(TOKEN_SECONDS / 60)) as running:
        yield running


def start(folder, url, **variables):
    chosen = {"HOST": url, "USERS": "4", "SPAWN_RATE": "4", "DURATION": "10", "REPORT": str(folder)}
    return subprocess.Popen(
        [PYTHON, "-m", "benchmarks.load_test.run"],
        cwd=settings.BASE_DIR,
        env=os.environ | chosen | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder, url, **variables):
    """Return (exit status, output, summary)."""
    process = start(folder, url, **variables)
    output, _nothing = process.communicate(timeout=SECONDS)
    summary = folder / "summary.json"
    return process.returncode, output, json.loads(summary.read_text()) if summary.exists() else {}


def another_server(product, **environment):
    url = product.another_server(**environment)
    product.wait_until_ready(url)
    return url


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_has_no_failure(product, tmp_path, scenario):
    status, output, summary = run(tmp_path, product.url, SCENARIO=scenario, USERS="12", SPAWN_RATE="12")

    assert status == 0, output
    assert summary["total"]["failures"] == 0, output
    assert summary["total"]["requests"] >= 10
    routes = {f"{row['method']} {row['route'].removeprefix('/api/v1')}" for row in summary["rows"]}
    assert routes >= ROUTES[scenario]
    assert bool(routes & WRITES) == (scenario == "mixed")
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "locust_stats.csv").read_text().startswith("Type,Name,Request Count")


def test_no_password_and_no_token_is_in_a_report(product, tmp_path):
    run(tmp_path, product.url, SCENARIO="logins", DURATION="3")

    texts = "".join(path.read_text() for path in tmp_path.iterdir())
    assert "/api/v1/auth/login" in texts
    assert re.search(SECRET, texts) is None


def test_a_limit_that_is_not_met_ends_with_1(product, tmp_path):
    status, output, summary = run(tmp_path, product.url, DURATION="4", P95_MS="1")

    assert status == 1
    assert "above P95_MS=1" in output
    assert summary["total"]["failures"] == 0


def test_refusals_by_a_limit_have_rows_of_their_own(product, tmp_path):
    url = another_server(product, THROTTLE_USER="5/min")
    status, output, summary = run(tmp_path, url, SCENARIO="search")

    assert status == 1
    assert "raise THROTTLE_USER" in output
    assert summary["total"]["failures"] == 0
    assert {row["method"] for row in summary["rows"]} == {"GET", "429"}


def test_closed_registration_is_explained(product, tmp_path):
    url = another_server(product, REGISTRATION="closed")
    product.manage("seed", "--users", "4", DEBUG="true")

    status, output, _summary = run(tmp_path / "closed", url)
    assert status == 2
    assert "manage.py seed --users" in output

    accounts = {"ACCOUNTS": "user-{}@example.com", "PASSWORD": DEMO_PASSWORD}
    status, output, summary = run(tmp_path / "named", url, DURATION="4", **accounts)
    assert status == 0, output
    assert DEMO_PASSWORD not in output + json.dumps(summary)


def test_a_server_that_ends_is_a_failure(product, tmp_path):
    url = another_server(product)
    process = start(tmp_path, url)
    for line in process.stdout:
        if line.startswith("Load for"):
            break
    server = product.processes.pop()
    server.terminate()
    wait_until(lambda: server.poll() is not None)
    output, _nothing = process.communicate(timeout=SECONDS)

    assert process.returncode == 1, output
    assert "requests failed" in output


def test_a_server_that_does_not_respond_is_named(tmp_path):
    status, output, _summary = run(tmp_path, "http://127.0.0.1:9")

    assert status == 2
    assert "No response from http://127.0.0.1:9" in output
