"""SQLite, as without any variable: many writers, a killed process, and a reader outside of the server."""

import os
import signal
import sqlite3
import time
from contextlib import closing

import pytest

from config.tests.faults.stage import PASSWORD, REFUSALS, Traffic
from config.tests.processes import Product, processes_of
from core.tests.waiting import wait_until

WRITERS = 20
LIMITS = {f"THROTTLE_{scope}": "1000000/min" for scope in ("USER", "ANON", "AUTH")}


class OnSQLite(Product):
    """A Product without services."""

    has_worker = False

    def database_url(self, folder):
        self.path = folder / "product.sqlite3"
        return f"sqlite:///{self.path}"

    def connection(self):
        return sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True, timeout=5)

    def stored(self):
        with closing(self.connection()) as connection:
            return {str_of(key) for (key,) in connection.execute("SELECT id FROM resources_resource")}


def str_of(key):
    return f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with OnSQLite(tmp_path_factory.mktemp("sqlite"), REDIS_URL="", CELERY_BROKER_URL="", **LIMITS) as running:
        yield running


def test_many_writers_and_a_killed_process_lose_nothing(stage, figure):
    person = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}
    token = stage.api("POST", "/auth/register", person).json()["data"]["tokens"]["accessToken"]
    victim = processes_of(stage.processes[0].pid)[0]
    with Traffic(stage, token, clients=WRITERS) as traffic:
        traffic.wait_for(200)
        began, counts = time.monotonic(), []
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in processes_of(stage.processes[0].pid), 60)
        wait_until(lambda: counts.append(len(stage.stored())) or len(counts) >= 20, 60)
        traffic.wait_for(400, since=began)
    confirmed = {one.key for one in traffic.outcomes if one.key}

    statuses = traffic.statuses()
    with closing(stage.connection()) as connection:
        [(integrity,)] = connection.execute("PRAGMA integrity_check").fetchall()
    figure("responses", dict(statuses))
    figure("slowest response", traffic.slowest(), "s")
    assert statuses.keys() <= {200, 201, 0} | REFUSALS
    assert statuses[0] <= WRITERS  # the requests on their way to the process that was killed
    assert confirmed <= stage.stored()
    assert (counts, integrity) == (sorted(counts), "ok")
    assert "database is locked" not in stage.log_path.read_text()
