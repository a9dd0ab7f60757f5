"""The names of PostgreSQL, Redis and the mail server cannot be resolved for a while, at once or after a long time."""

import os
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.tests.faults.network import Fault
from config.tests.faults.stage import REFUSALS, Stage, Traffic, staged
from core.tests.waiting import wait_until

SERVICES = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "EMAIL_HOST")
RECOVERS_SECONDS = 5.0


class NamedStage(Stage):
    """A Stage that knows its services by name; `fault` is the file that says what the resolver does."""

    def __init__(self, folder, *servers, **environment):
        self.fault = folder / "fault"
        self.fault.write_text("")
        super().__init__(folder, *servers, **environment)
        for name in SERVICES:
            self.environment[name] = self.environment[name].replace(
                "127.0.0.1", f"{name.lower().replace('_', '-')}.test"
            )
        path = [str(Path(__file__).with_name("names")), os.environ.get("PYTHONPATH", "")]
        self.environment |= {
            "FAULT_NAMES": str(self.fault),
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
        }


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("stage"), kind=NamedStage) as running:
        yield running


@contextmanager
def unresolved(stage, fault, *names):
    stage.fault.write_text(" ".join([fault, *names]))
    try:
        yield
    finally:
        stage.fault.write_text("")


def cut(proxy):
    """End the connections, so that the product has to look the name up."""
    proxy.set(Fault.REFUSE)
    wait_until(lambda: not proxy.pairs)
    proxy.set(Fault.NONE)


def tried(stage):
    with stage.connection() as connection:
        query = (
            "SELECT last_error FROM core_outbox_outboxmessage WHERE finished_at IS NULL AND last_error <> ''"
        )
        return connection.execute(query).fetchone()


@pytest.mark.parametrize("fault", ["fails", "hangs"])
def test_names_that_cannot_be_resolved(stage, figure, fault):
    token = stage.user(f"before-{fault}")
    wait_until(lambda: stage.mails(f"before-{fault}@example.com"))
    with Traffic(stage, token) as traffic:
        traffic.wait_for()
        began = time.monotonic()
        with unresolved(stage, fault, "email-host.test"):
            stage.user(f"meanwhile-{fault}")
            wait_until(lambda: tried(stage))
        with unresolved(stage, fault, "redis-url.test", "celery-broker-url.test"):
            cut(stage.to_redis)
            traffic.ended.wait(2)
        failed = time.monotonic()
        with unresolved(stage, fault, "database-url.test"):
            cut(stage.to_postgres)
            traffic.ended.wait(4)
        ended = time.monotonic()
        traffic.wait_for()
        with stage.connection() as connection:  # as a retry in the admin
            connection.execute(
                "UPDATE core_outbox_outboxmessage SET due_at = now() WHERE finished_at IS NULL"
            )
        wait_until(lambda: stage.mails(f"meanwhile-{fault}@example.com"))
        delivered = time.monotonic() - ended

    without_redis = [one for one in traffic.outcomes if began <= one.ended < failed]
    figure("slowest without Redis", max(one.seconds for one in without_redis), "s")
    figure("slowest without PostgreSQL", traffic.slowest(failed), "s")
    figure("slowest liveness", traffic.slowest_probe(began), "s")
    figure("first success after the end", traffic.recovered_after(ended), "s")
    figure("email delivered after the end", delivered, "s")
    assert {one.status for one in without_redis} <= {200, 201}
    assert traffic.statuses().keys() <= {200, 201} | REFUSALS
    assert traffic.statuses(failed)[503] > 0
    assert traffic.slowest() < 3.5
    assert traffic.slowest_probe() < 1
    assert traffic.recovered_after(ended) < RECOVERS_SECONDS
    assert len(stage.mails(f"meanwhile-{fault}@example.com")) == 1
    assert traffic.lost() == set()
