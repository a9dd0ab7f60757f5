"""Every kind of work for minutes, and what is expired purged: memory, descriptors, connections, keys, rows and files do
not grow."""

import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import redis

from config.tests.faults.crowd import Crowd
from config.tests.faults.measures import descendants, kill, megabytes
from config.tests.faults.stage import PASSWORD, staged
from core.tests.waiting import wait_until

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "16"))
VISITS = 20  # in a round; each has two emails and a job
CROWD_SECONDS = 6
GROWTH_MB = 6.0  # of one process in the last half of the rounds: the noise of an allocator
# Of the descriptors of one process in the last half of the rounds. A thread opens its connections when it first has
# work, so a few come late; a leak of one in each round, of more than two thousand requests, would be seven.
GROWTH_DESCRIPTORS = 4.0
WEB_PROCESSES, WEB_THREADS, WORKER_CHILDREN = 2, 8, 2
# A drain of the outbox delivers four messages at once, each with a connection or two.
MAX_CONNECTIONS = WEB_PROCESSES * WEB_THREADS + WORKER_CHILDREN * 8
# The keys of Redis that never expire are of Celery's transport, which has one set for each exchange: the queues that
# are bound to it (celeryev: those in which workers hear of each other), until when, and which of them for ever.
LASTING_KEYS = {
    *(b"_kombu.binding.celery", b"_kombu.binding.celeryev"),
    *(b"_kombu.binding_deadlines", b"_kombu.binding_permanent.celery"),
}
# Messages on their way.
PASSING_KEYS = {b"celery", b"jobs", b"unacked", b"unacked_index"}
# Accounts and their tags, the counter of each owner, and the audit log are deleted by people only.
LASTING_TABLES = {"accounts_user", "core_audit_auditevent", "owner_versions", "resources_tag"}
AGE = """
    DO $$ DECLARE one record; BEGIN
        FOR one IN SELECT table_name,
                string_agg(format('%1$I = %1$I - interval ''400 days''', column_name), ', ') AS moves
            FROM information_schema.columns
            WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
            AND table_name NOT IN ('core_audit_auditevent', 'django_migrations') GROUP BY table_name
        LOOP EXECUTE format('UPDATE %I SET %s', one.table_name, one.moves); END LOOP;
        UPDATE changes SET position = position - 400 * 86400 * 1000000::bigint; END $$  -- a time in microseconds
"""
PURGE = "from core.db.retention import purge_expired; purge_expired()"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    concurrency = str(WORKER_CHILDREN)
    with staged(folder, MEDIA_ROOT=str(folder / "media"), CELERY_WORKER_CONCURRENCY=concurrency) as running:
        yield running


def visit(stage, number):
    """Do what leaves a row that expires: sessions, emails, tokens, jobs, stored responses, refusals, trash."""
    person = {"email": f"user{number}@example.com", "password": PASSWORD, "name": f"User {number}"}
    tokens = stage.api("POST", "/auth/register", person).json()["data"]["tokens"]
    refreshed = stage.api("POST", "/auth/refresh", {"refreshToken": tokens["refreshToken"]}).json()
    token = refreshed["data"]["tokens"]["accessToken"]
    stage.api("POST", "/auth/forgot-password", {"email": person["email"]})
    stage.api("POST", "/auth/login", person | {"password": "Wr0ng-horse-battery"})
    send = partial(stage.api, token=token)
    made = [
        send("POST", "/resources", {"title": "One", "tags": ["red"]}, Idempotency_Key="k") for _ in range(2)
    ]
    path = f"/resources/{made[0].json()['data']['id']}"
    replies = [
        *made,
        send("PATCH", path, {"content": "Changed"}),
        send("GET", "/resources?search=one"),
        send("POST", "/resources/export", {"format": "csv"}),
        send("DELETE", path),
    ]
    assert [reply.status for reply in replies] == [201, 201, 200, 200, 202, 204]
    return token


@dataclass
class Sample:
    megabytes: dict[int, float]
    descriptors: dict[int, int]
    connections: int
    keys: set[bytes]
    rows: dict[str, int]
    files: int


def connections(stage):
    with stage.connection() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return connection.execute(query).fetchone()[0]


def rows(stage):
    with stage.connection() as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {
            table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for (table,) in tables
        }


def keys_without_expiry(stage):
    with redis.Redis.from_url(stage.redis.url) as client:
        return {key for key in client.scan_iter() if client.ttl(key) == -1}


def sample(stage):
    pids = [pid for process in stage.processes for pid in descendants(process.pid)]
    media = Path(stage.environment["MEDIA_ROOT"])
    return Sample(
        {pid: megabytes(pid) for pid in pids},
        {pid: len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids},
        connections(stage),
        keys_without_expiry(stage),
        rows(stage),
        sum(path.is_file() for path in media.rglob("*")),
    )


def is_done(stage):
    with stage.connection() as connection:
        unfinished = "SELECT count(*) FROM {} WHERE finished_at IS NULL"
        return not any(
            connection.execute(unfinished.format(table)).fetchone()[0]
            for table in ("core_outbox_outboxmessage", "core_jobs_job")
        )


def replace_worker(stage):
    """Kill the worker with its children, and start another one."""
    kill(descendants(stage.processes[1].pid))
    stage.processes.pop(1).wait()
    stage.start("-m", "celery", "-A", "config", "worker")
    stage.processes.insert(1, stage.processes.pop())


def work(stage, number):
    """Run one round and purge. Return the number of requests, and the connections in the middle of it."""
    with ThreadPoolExecutor(4) as threads:
        tokens = list(threads.map(partial(visit, stage), range(number * VISITS, (number + 1) * VISITS)))
        crowd = Crowd(stage.port, "/api/v1/resources", tokens[0])
        running = threads.submit(crowd.run, CROWD_SECONDS)
        wait_until(lambda: len(crowd.replies) > 200)
        open_connections = connections(stage)
        running.result()
    assert set(crowd.statuses) == {200}
    wait_until(lambda: is_done(stage))
    with stage.connection() as connection:
        connection.execute(AGE)
    stage.manage("shell", "--command", PURGE)
    wait_until(lambda: is_done(stage))
    return len(crowd.replies) + VISITS * 10, open_connections


def slope(values):
    """Return the growth from the first to the last of these, by linear regression."""
    return statistics.linear_regression(range(len(values)), values).slope * (len(values) - 1)


def test_nothing_grows(stage, figure):
    samples, requests, peak = [], 0, 0
    for number in range(ROUNDS):
        if number == 1:
            replace_worker(stage)
        sent, open_connections = work(stage, number)
        requests, peak = requests + sent, max(peak, open_connections)
        samples.append(sample(stage))

    warm, last = samples[2 : ROUNDS // 2], samples[ROUNDS // 2 :]
    assert {tuple(one.megabytes) for one in last} == {tuple(warm[0].megabytes)}  # no process was replaced
    growth = {pid: slope([one.megabytes[pid] for one in last]) for pid in last[0].megabytes}
    emails, jobs = stage.sink.messages.qsize(), ROUNDS * VISITS
    figure("requests, emails, jobs", f"{requests}, {emails}, {jobs}")
    figure("largest growth of a process in the last half", max(growth.values()), "MB")
    figure("largest process", max(last[-1].megabytes.values()), "MB")
    figure("connections to PostgreSQL, at most", f"{peak} of {MAX_CONNECTIONS}")
    assert emails >= 2 * jobs
    assert max(growth.values()) < GROWTH_MB
    more = {pid: slope([one.descriptors[pid] for one in last]) for pid in last[0].descriptors}
    figure(
        "largest growth of the descriptors of a process in the last half", max(more.values()), "descriptors"
    )
    assert max(more.values()) < GROWTH_DESCRIPTORS
    assert peak <= MAX_CONNECTIONS
    for one in samples:
        assert LASTING_KEYS <= one.keys <= LASTING_KEYS | PASSING_KEYS
        assert one.files == 0
    for table in last[0].rows.keys() - LASTING_TABLES:
        assert max(one.rows[table] for one in last) <= max(one.rows[table] for one in warm), table
