"""A PostgreSQL that is silent, gone, restarted, locked or read-only, under the traffic of clients."""

import secrets
import signal
import time
from collections import Counter

import pytest

from config.tests.faults.network import Fault
from config.tests.faults.stage import REFUSALS, Traffic
from config.tests.processes import call

ENVIRONMENT = {"CELERY_BROKER_URL": ""}
FAULT_SECONDS = 5.0
# The targets are 3 s and 0.1 s; a test has to pass on a machine with other work going on.
RESPONSE_SECONDS = 4.0
LIVENESS_SECONDS = 1.0


@pytest.fixture(scope="module")
def token(stage):
    return stage.user("ann")


@pytest.fixture
def traffic(stage, token):
    with Traffic(stage, token) as running:
        running.wait_for()
        yield running


def judged(traffic, figure, began, ended):
    """Require that no request hung, lied or failed by anything but a refusal, and keep the figures."""
    traffic.wait_for(since=ended)
    statuses = traffic.statuses(began)
    figure("responses", ", ".join(f"{status}: {number}" for status, number in sorted(statuses.items())))
    figure("slowest response", traffic.slowest(began), "s")
    figure("slowest liveness", traffic.slowest_probe(began), "s")
    figure("first success after the end", traffic.recovered_after(ended), "s")
    assert statuses.keys() <= {200, 201} | REFUSALS
    assert traffic.slowest(began) < RESPONSE_SECONDS
    assert traffic.slowest_probe(began) < LIVENESS_SECONDS
    assert traffic.lost() == set()
    return statuses


def test_a_silent_database(stage, traffic, figure):
    began = time.monotonic()
    stage.to_postgres.set(Fault.SILENT)
    traffic.ended.wait(FAULT_SECONDS)
    stage.to_postgres.set(Fault.NONE)

    assert judged(traffic, figure, began, time.monotonic())[503] > 0


def test_a_silent_database_and_many_clients(stage, token, figure):
    """More than there are threads: none waits first for a thread and then for the database."""
    with Traffic(stage, token, clients=40) as traffic:
        traffic.wait_for()
        began = time.monotonic()
        stage.to_postgres.set(Fault.SILENT)
        traffic.ended.wait(FAULT_SECONDS)
        stage.to_postgres.set(Fault.NONE)

        assert judged(traffic, figure, began, time.monotonic())[503] > 0


def test_a_stopped_database(stage, traffic, figure):
    began = time.monotonic()
    stage.postgres.send_signal(signal.SIGSTOP)
    traffic.ended.wait(FAULT_SECONDS)
    stage.postgres.send_signal(signal.SIGCONT)

    assert judged(traffic, figure, began, time.monotonic())[503] > 0


def test_a_database_that_refuses(stage, traffic, figure):
    began = time.monotonic()
    stage.to_postgres.set(Fault.REFUSE)
    traffic.ended.wait(FAULT_SECONDS)
    stage.to_postgres.set(Fault.NONE)

    assert judged(traffic, figure, began, time.monotonic())[503] > 0


def test_a_database_that_is_killed(stage, traffic, figure):
    began = time.monotonic()
    stage.postgres.send_signal(signal.SIGKILL)
    stage.postgres.process.wait()
    stage.postgres.start()

    judged(traffic, figure, began, time.monotonic())


def test_a_database_that_is_restarted(stage, traffic, figure):
    began = time.monotonic()
    stage.postgres.stop()
    stage.postgres.start()

    judged(traffic, figure, began, time.monotonic())


def test_terminated_connections(stage, token, figure):
    """Between two requests: none fails. In the middle of one, its transaction is lost, and that request is a 503."""
    for _ in range(20):
        assert stage.api("GET", "/resources", token=token).status == 200
    assert terminate_all(stage) > 1
    statuses = [stage.api("GET", "/resources", token=token).status for _ in range(40)]

    figure("failed of 40", sum(status != 200 for status in statuses))
    assert set(statuses) == {200}


def terminate_all(stage):
    with stage.connection() as connection:
        return connection.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND datname = current_database()"
        ).fetchone()[0]


def test_connections_that_are_lost_while_they_are_made(stage, token, figure):
    """The first statement of a connection sets its time limits."""
    stage.to_postgres.cut_before = b"set_config"
    terminate_all(stage)
    statuses = [stage.api("GET", "/resources", token=token).status for _ in range(20)]
    stage.to_postgres.cut_before = b""

    figure("responses", str(Counter(statuses)[503]))
    assert set(statuses) == {503}


def test_a_locked_table(stage, traffic, figure):
    with stage.connection() as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE resources_resource IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        traffic.ended.wait(FAULT_SECONDS)
        connection.execute("COMMIT")

    assert judged(traffic, figure, began, time.monotonic())[503] > 0


def test_a_read_only_database(stage, token, figure):
    created = stage.api("POST", "/resources", {"title": "Before"}, token)
    assert created.status == 201
    read_only(stage, "on")
    try:
        ready = call(f"{stage.url}/health/ready")
        written = stage.api("POST", "/resources", {"title": "Meanwhile"}, token)
        key = created.json()["data"]["id"]
        reads = {
            stage.api("GET", path, token=token).status
            for path in ("/resources", f"/resources/{key}", "/tags")
        }
        person = {
            "email": f"{secrets.token_hex(4)}@example.com",
            "password": "Corr3ct-horse-battery",
            "name": "Eve",
        }
        registered = stage.api("POST", "/auth/register", person)
    finally:
        read_only(stage, "off")

    figure("write, read, ready", f"{written.status}, {reads}, {ready.status}")
    assert (written.status, registered.status, reads) == (503, 503, {200})
    assert written.headers["Retry-After"]
    assert (ready.status, ready.json()["checks"]["database"]["status"]) == (503, "read-only")


def read_only(stage, value):
    with stage.connection() as connection:
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        connection.execute("SELECT pg_reload_conf()")
