"""Each alert of deploy/prometheus fires in its state: the product is driven there, and a Prometheus server scrapes it.

The windows of hours are tested by `promtool test rules` in `make check`.
"""

import json
import re
import secrets
import signal
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from config.tests.faults.monitor import ROOT, RULES, Monitor, program
from config.tests.faults.network import Fault
from config.tests.faults.stage import PASSWORD, Stage, staged
from core.backups.catalogue import FORM, Backup
from core.files.storages.disk import DiskStorage
from core.tests.ports import free_port
from core.tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    program() is None, reason="no Prometheus: make prometheus-env unpacks Debian's, or install one"
)
TOKEN = "s3cret-of-the-metrics"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
ALERTS = set(re.findall(r"- alert: (\w+)", RULES.read_text()))


class SmallStage(Stage):
    """A stage whose web server has one process, so that each scrape reads the same."""

    web_processes = 1


def write_backup(folder, *, hours, ok):
    made = datetime.now(UTC) - timedelta(hours=hours)
    backup = Backup(DiskStorage(str(folder)), made.strftime(FORM))
    backup.save_json("manifest.json", {"format": 1})
    result = {"at": made.isoformat(), "ok": ok, "seconds": 12.5, "problem": ""}
    backup.save_json("verification.json", result)
    return folder / backup.name


@pytest.fixture(scope="module")
def backups(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backups")
    write_backup(folder, hours=1, ok=True)
    return folder


@pytest.fixture(scope="module")
def stage(tmp_path_factory, backups):
    variables = {
        "METRICS_PORT": str(free_port()),
        "METRICS_TOKEN": TOKEN,
        "BACKUP_FOLDER": str(backups),
    }
    with staged(tmp_path_factory.mktemp("alerts"), kind=SmallStage, **variables) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def monitor(stage, tmp_path_factory):
    """Prometheus, after typical use of the product, when no alert fires."""
    use(stage)
    folder = tmp_path_factory.mktemp("prometheus")
    with Monitor(folder, stage.port, int(stage.environment["METRICS_PORT"]), TOKEN) as running:
        wait_until(
            lambda: len(running.query("up == 1")) == 2 and running.query("heartbeat_age_seconds"),
            120,
            explain=lambda: f"{running.get('targets')}\n{running.printed()}",
        )
        use(stage)
        wait_until(lambda: running.firing() == set(), explain=running.firing)
        yield running


def use(stage):
    token = stage.user(f"ann{secrets.token_hex(3)}")
    for _ in range(3):
        stage.api("GET", "/resources", token=token)
    stage.api("POST", "/resources/export", {"format": "csv"}, token)
    stage.api("POST", "/auth/login", {"email": "nobody@example.com", "password": PASSWORD})
    stage.sink.next_email()


def test_every_alert_is_tested_and_has_its_section():
    tested = set(re.findall(r"\b[A-Z]\w+", (ROOT / "config/tests/faults/alert_faults.py").read_text()))
    windows = (RULES.parent / "alerts_test.yml").read_text()
    sections = set(re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE))

    assert {
        alert for alert in ALERTS if alert not in tested and f"alertname: {alert}" not in windows
    } == set()
    assert sections == ALERTS


def test_a_database_that_refuses(stage, monitor):
    token = stage.user("refused")
    stage.to_postgres.set(Fault.REFUSE)
    try:
        statuses = {stage.api("GET", "/users/me", token=token).status}
        # An increase needs a sample to begin with.
        wait_until(lambda: monitor.query('http_requests_total{route="api/v1/users/me",status="503"}'))
        statuses |= {stage.api("GET", "/users/me", token=token).status for _ in range(120)}
        monitor.wait_for("DatabaseMetricsMissing", "ServerErrors", "ErrorBudgetBurnsFast")
    finally:
        stage.to_postgres.set(Fault.NONE)
    assert statuses == {503}
    wait_until(lambda: "DatabaseMetricsMissing" not in monitor.firing())


def test_worker_and_beat_that_are_gone(stage, monitor):
    for process in stage.processes[1:]:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    del stage.processes[1:]
    with stage.connection() as connection:
        connection.execute("UPDATE core_outbox_heartbeat SET beat_at = now() - interval '2 minutes'")
        connection.execute(
            "INSERT INTO core_outbox_outboxmessage (id, kind, payload, status, created_at, due_at, attempts,"
            " last_error, request_id) VALUES (gen_random_uuid(), 'test.nothing', '{}', 'pending', now(),"
            " now() - interval '10 minutes', 0, '', '')"
        )
        monitor.wait_for("WorkerGone", "BeatSilent", "QueueStuck", "InstanceDown")
        connection.execute("DELETE FROM core_outbox_outboxmessage WHERE kind = 'test.nothing'")
    stage.start("-m", "celery", "-A", "config", "worker")
    stage.start("-m", "celery", "-A", "config", "beat", "-s", str(stage.log_path.with_name("beat")))
    gone = {"WorkerGone", "BeatSilent", "QueueStuck", "InstanceDown"}
    wait_until(lambda: not gone & monitor.firing(), 120)


def test_a_row_that_has_failed(stage, monitor):
    with stage.connection() as connection:
        connection.execute(
            "INSERT INTO core_outbox_outboxmessage (id, kind, payload, status, created_at, finished_at, attempts,"
            " last_error, request_id) VALUES (gen_random_uuid(), 'test.nothing', '{}', 'failed', now(), now(), 8,"
            " 'refused', '')"
        )
        monitor.wait_for("RowsFailed")
        connection.execute("DELETE FROM core_outbox_outboxmessage WHERE kind = 'test.nothing'")


def test_log_ins_to_locked_addresses(stage, monitor):
    locked = 'login_attempts_total{outcome="locked"}'
    body = {"email": "victim@example.com", "password": "wrong"}
    assert [stage.api("POST", "/auth/login", body).status for _ in range(7)][-1] == 423
    wait_until(lambda: monitor.query(locked))
    for _ in range(80):
        stage.api("POST", "/auth/login", body)

    monitor.wait_for("LockOutStorm")


def test_an_old_backup_whose_verification_failed(monitor, backups):
    [good] = backups.iterdir()
    away = good.rename(backups.parent / f"{backups.name}-good")
    old = write_backup(backups, hours=30, ok=False)
    try:
        monitor.wait_for("BackupTooOld", "BackupNotVerified")
    finally:
        old.rename(backups.parent / f"{backups.name}-old")
        away.rename(good)


def test_connections_that_are_nearly_used_up(stage, monitor):
    [(_time, most)] = [row["value"] for row in monitor.query("max(database_max_connections)")]
    with ExitStack() as stack:
        for _ in range(int(int(most) * 0.85)):
            if (connection := stage.try_to_connect()) is not None:
                stack.enter_context(connection)
        monitor.wait_for("ConnectionsNearlyUsedUp")


def panels():
    dashboard = json.loads(DASHBOARD.read_text())
    return [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]


@pytest.mark.parametrize(("title", "expression"), panels())
def test_the_query_of_a_panel_has_data(monitor, title, expression):
    wait_until(lambda: monitor.query(expression.replace("$__rate_interval", "5m")), explain=lambda: title)
