"""A standby that streams from the primary, as DATABASE_REPLICA_URL: it lags, is killed, silent, or promoted."""

import re
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, build_opener

import psycopg
import pytest
from private_servers import PrivateServer, postgres_version, private_postgres, private_redis

from config.tests.faults.network import Proxy
from config.tests.faults.stage import DURABLE, PASSWORD, Stage, through
from config.tests.processes import call
from core.tests.ports import free_port
from core.tests.waiting import wait_until

MAX_LAG = 3.0
# A statement that a silent standby has, a connection to it, and a machine with other work going on.
SILENT_SECONDS = 4.5
QUICK_SECONDS = 2.0


class ReplicaStage(Stage):
    """A stage whose server has one process, so that what it knows of its replica is the same in each request."""

    web_processes = 1
    standby: PrivateServer
    to_standby: Proxy

    def list_all(self, token):
        return self.api("GET", "/resources?scope=all&limit=100", token=token)

    def titles(self, token):
        return {row["title"] for row in self.list_all(token).json()["data"]}

    def create(self, title, token):
        assert self.api("POST", "/resources", {"title": title}, token).status == 201

    def on_standby(self, statement, database="postgres"):
        with psycopg.connect(self.standby.url, dbname=database, autocommit=True) as connection:
            return connection.execute(statement).fetchall()

    def lists_of(self, outcome):
        name = f'database_replica_reads_total{{outcome="{outcome}"}} '
        lines = call(f"{self.url}/metrics").body.decode().splitlines()
        return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    def wait_until_used(self, token):
        """Wait until the lists of all users are read from the standby."""
        began = self.lists_of("replica")
        wait_until(lambda: self.list_all(token).status == 200 and self.lists_of("replica") > began)


def standby_of(primary, name):
    """Return a server with a copy of the primary, which streams from it once it is started."""
    program = Path(primary.command[0]).with_name("pg_basebackup")
    command = [program, f"--pgdata={name}", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
    subprocess.run(
        [*command, f"--dbname={primary.url}"], cwd=primary.folder, check=True, timeout=60, **primary.identity
    )
    port = free_port()
    command = [*primary.command[:-1], str(port)]
    command[command.index("-D") + 1] = name
    parts = urlsplit(primary.url)
    login = parts.netloc.rpartition("@")[0]
    url = parts._replace(netloc=f"{login}@127.0.0.1:{port}").geturl()
    return PrivateServer(url, command, primary.folder, primary.identity, postgres_version)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with ExitStack() as stack:
        primary = stack.enter_context(private_postgres(*DURABLE))
        standby = stack.enter_context(standby_of(primary, "standby"))
        to_standby = stack.enter_context(Proxy(urlsplit(standby.url).port))
        redis = stack.enter_context(private_redis())
        stage = ReplicaStage(tmp_path_factory.mktemp("stage"), primary, redis)
        url = urlsplit(through(standby.url, to_standby))._replace(path=f"/{stage.database}").geturl()
        stage.environment["DATABASE_REPLICA_URL"] = url
        stage.environment["DATABASE_REPLICA_MAX_LAG_SECONDS"] = str(MAX_LAG)
        stage.standby, stage.to_standby, stage.servers = standby, to_standby, stack
        stack.enter_context(stage.to_postgres)
        stack.enter_context(stage.to_redis)
        stack.enter_context(stage)
        yield stage


@pytest.fixture(scope="module")
def token(stage):
    token = stage.user("ann")
    with stage.connection() as connection:
        connection.execute("UPDATE accounts_user SET role = 'admin' WHERE email LIKE 'ann@%'")
    stage.create("early", token)
    return token


@pytest.fixture(autouse=True)
def _used(stage, token):
    stage.wait_until_used(token)


@contextmanager
def lists(stage, token, clients=3):
    """Let clients list the rows of all users. Yields the list of the (status, seconds) of their requests."""
    ended, outcomes = threading.Event(), []

    def repeat():
        while not ended.is_set():
            began = time.monotonic()
            status = stage.list_all(token).status
            outcomes.append((status, time.monotonic() - began))

    with ThreadPoolExecutor(clients) as threads:
        running = [threads.submit(repeat) for _ in range(clients)]
        try:
            yield outcomes
        finally:
            ended.set()
        assert [each.result(30) for each in running] == [None] * clients


@contextmanager
def replay_paused(stage):
    stage.on_standby("SELECT pg_wal_replay_pause()")
    wait_until(lambda: stage.on_standby("SELECT pg_get_wal_replay_pause_state()") == [("paused",)])
    try:
        yield
    finally:
        stage.on_standby("SELECT pg_wal_replay_resume()")


def exported(stage, token):
    """Return the text of an export, as its worker has written it."""
    job = stage.api("POST", "/resources/export", {"format": "csv"}, token).json()["data"]["id"]
    done = wait_until(
        lambda: (now := stage.api("GET", f"/jobs/{job}", token=token).json()["data"])["result"] and now
    )
    return call(f"{stage.url}{done['result']['url']}", token=token).body.decode()


def test_lists_of_all_users_are_read_from_the_standby_unless_it_lags(stage, token, figure):
    stage.create("seen", token)
    wait_until(lambda: "seen" in stage.titles(token))
    with replay_paused(stage):
        stage.create("late", token)
        began = time.monotonic()
        response = stage.list_all(token)
        own = stage.api("GET", "/resources", token=token)
        assert "late" not in {row["title"] for row in response.json()["data"]}
        assert response.headers["ETag"] is None  # a client must not hold this as the version of now
        assert own.headers["ETag"] is not None
        assert "late" in {row["title"] for row in own.json()["data"]}
        assert "late" in exported(
            stage, token
        )  # it has waited for the standby, and then read from the primary
        wait_until(lambda: "late" in stage.titles(token), MAX_LAG + 3)
        figure("read from the primary after", time.monotonic() - began, "s")
    assert "replica_unused" in stage.log_path.read_text()


def scans_on_standby(stage):
    """Return how often the resources were looked up there, by the statistics of the standby's own."""
    table = "FROM pg_stat_user_tables WHERE relname = 'resources_resource'"
    return stage.on_standby(f"SELECT seq_scan + coalesce(idx_scan, 0) {table}", stage.database)[0][0]


def test_an_export_is_read_from_the_standby(stage, token):
    before = scans_on_standby(stage)

    assert "early" in exported(stage, token)
    wait_until(lambda: scans_on_standby(stage) > before)


def test_lists_of_the_admin_are_read_from_the_standby(stage, token):
    cookies = CookieJar()
    browser = build_opener(HTTPCookieProcessor(cookies))
    form = browser.open(f"{stage.url}/admin/login/").read().decode()
    field = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
    login = {"csrfmiddlewaretoken": field, "username": "ann@example.com", "password": PASSWORD}
    browser.open(f"{stage.url}/admin/login/?next=/admin/", urlencode(login).encode()).read()
    with replay_paused(stage):
        stage.create("unseen", token)
        page = browser.open(f"{stage.url}/admin/resources/resource/").read().decode()

    assert "early" in page
    assert "unseen" not in page


def test_a_standby_that_is_killed_costs_no_request(stage, token, figure):
    with lists(stage, token) as outcomes:
        wait_until(lambda: len(outcomes) >= 20)
        stage.standby.kill()
        at = len(outcomes)
        wait_until(lambda: len(outcomes) >= at + 60)
        ready = call(f"{stage.url}/health/ready").status
        found = stage.manage("doctor", "--json")
        stage.standby.start()
    slowest = max(seconds for _status, seconds in outcomes)
    figure("slowest list", slowest, "s")
    assert {status for status, _seconds in outcomes} == {200}
    assert ready == 200
    assert '"replica", "status": "warning", "text": "lost: ' in found
    assert slowest < QUICK_SECONDS


def test_a_silent_standby_delays_each_client_once(stage, token, figure):
    with lists(stage, token) as outcomes:
        wait_until(lambda: len(outcomes) >= 20)
        stage.standby.send_signal(signal.SIGSTOP)
        try:
            at = len(outcomes)
            wait_until(lambda: len(outcomes) >= at + 60)
            began = time.monotonic()
            alone = len(outcomes)
            wait_until(lambda: time.monotonic() > began + 6)  # longer than the pause, so it is tried again
            after = max(seconds for _status, seconds in outcomes[alone + 3 :])
        finally:
            stage.standby.send_signal(signal.SIGCONT)
    slowest = max(seconds for _status, seconds in outcomes)
    figure("slowest list", slowest, "s")
    figure("slowest later", after, "s")
    assert {status for status, _seconds in outcomes} == {200}
    assert slowest < SILENT_SECONDS
    assert after < 1


def test_no_list_is_read_from_a_standby_that_lagged_before_the_replica_moved(stage, token):
    """Its old connections are still open, and it responds."""
    other = stage.servers.enter_context(standby_of(stage.postgres, "other"))
    before = stage.to_standby.upstream
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(stage.titles, [token] * 80))  # each thread of the server has a connection
        with replay_paused(stage):
            stage.create("moved", token)
            wait_until(lambda: "moved" in stage.titles(token), MAX_LAG + 5)
            stage.to_standby.upstream = urlsplit(other.url).port
            stage.wait_until_used(token)
            shown = list(threads.map(stage.titles, [token] * 80))
            stage.to_standby.upstream = before
    other.kill()
    assert [titles for titles in shown if "moved" not in titles] == []


def test_the_standby_becomes_the_primary_and_another_its_standby(stage, token, figure):
    stage.postgres.kill()
    began = time.monotonic()
    stage.on_standby("SELECT pg_promote()")
    stage.postgres, stage.standby = stage.standby, stage.postgres
    stage.to_postgres.upstream = urlsplit(stage.postgres.url).port
    stage.wait_until_ready()
    figure("ready after the promotion", time.monotonic() - began, "s")
    stage.create("promoted", token)
    assert "promoted" in stage.titles(token)  # of the primary: at the address of the standby is no standby

    stage.standby = stage.servers.enter_context(standby_of(stage.postgres, "second"))
    stage.to_standby.upstream = urlsplit(stage.standby.url).port
    stage.wait_until_used(token)
    assert "promoted" in stage.titles(token)
