"""A Redis behind Sentinel, as cache, counter of the limits and broker at once: its master is killed."""

import secrets
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
import redis
from private_servers import PrivateServer, give_away, private_postgres, private_redis, redis_version

from config.tests.faults.stage import DURABLE, Stage, Traffic
from config.tests.processes import call
from core.tests.ports import free_port
from core.tests.waiting import wait_until

MASTER = "MyMaster"
# Time-outs of Redis are 0.1 s, for each of two Sentinels too; a test has to pass on a machine with other work going on.
RESPONSE_SECONDS = 3.0
RECOVERY_SECONDS = 40.0


def another(server, name, lines, password):
    """Return a server of the same program in a folder of its own, with these lines of configuration."""
    folder = server.folder / name
    folder.mkdir()
    port = free_port()
    settings = folder / "server.conf"
    settings.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f"dir {folder}", *lines, ""]))
    give_away(folder, server.identity)
    program = server.command[0]
    mode = ["--sentinel"] if name == "sentinel" else []
    url = f"redis://:{password}@127.0.0.1:{port}/" + ("" if mode else "8")
    return PrivateServer(url, [program, settings, *mode], folder, server.identity, redis_version)


def replica_of(master):
    parts = urlsplit(master.url)
    password = parts.password
    replicates = (f"replicaof 127.0.0.1 {parts.port}", f"masterauth {password}", f"requirepass {password}")
    return another(master, "replica", [*replicates, 'save ""', "appendonly no"], password)


def sentinel_of(master, password):
    parts = urlsplit(master.url)
    lines = (
        f"requirepass {password}",
        f"sentinel monitor {MASTER} 127.0.0.1 {parts.port} 1",
        f"sentinel auth-pass {MASTER} {parts.password}",
        f"sentinel down-after-milliseconds {MASTER} 500",
        f"sentinel failover-timeout {MASTER} 3000",
    )
    return another(master, "sentinel", lines, password)


def is_in_step(server):
    with redis.Redis.from_url(server.url) as client:
        return client.info("replication").get("master_link_status") == "up"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with ExitStack() as stack:
        postgres = stack.enter_context(private_postgres(*DURABLE))
        master = stack.enter_context(private_redis())
        with redis.Redis.from_url(master.url) as client:
            client.config_set("repl-diskless-sync-delay", "0")
        replica = stack.enter_context(replica_of(master))
        wait_until(lambda: is_in_step(replica))
        password = secrets.token_hex(8)
        sentinel = stack.enter_context(sentinel_of(master, password))
        with redis.Redis.from_url(sentinel.url) as client:
            wait_until(lambda: client.sentinel_slaves(MASTER))
        # Of the two Sentinels in the URL the first one is gone.
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{urlsplit(sentinel.url).port}"
        login = urlsplit(master.url).netloc.partition("@")[0]
        url = f"redis+sentinel://{login}@{hosts}/{MASTER}/8?sentinel_password={password}"
        variables = {"REDIS_URL": url, "CELERY_BROKER_URL": url}
        stage = Stage(tmp_path_factory.mktemp("stage"), postgres, master, **variables)
        stage.replica = replica
        stack.enter_context(stage.to_postgres)
        stack.enter_context(stage.to_redis)
        stack.enter_context(stage)
        yield stage


def keys_in(server):
    with redis.Redis.from_url(server.url) as client:
        return client.dbsize()


def checks(stage):
    found = call(f"{stage.url}/health/ready").json()["checks"]
    return {found["cache"]["status"], found["broker"]["status"]}


def test_a_master_is_killed_and_its_replica_promoted(stage, figure):
    token = stage.user("before")
    limited = stage.another_server(THROTTLE_USER="5/min")
    stage.wait_until_ready(limited)
    wait_until(lambda: stage.mails("before@example.com"))
    assert keys_in(stage.redis)
    assert checks(stage) == {"ok"}
    with Traffic(stage, token) as traffic:
        traffic.wait_for()
        began = time.monotonic()
        stage.redis.kill()
        limits = [call(f"{limited}/api/v1/resources", token=token).status for _ in range(8)]
        stage.user("meanwhile")
        wait_until(lambda: checks(stage) == {"ok"}, RECOVERY_SECONDS)
        figure("cache and broker are ready again after", time.monotonic() - began, "s")
        wait_until(lambda: stage.mails("meanwhile@example.com"), RECOVERY_SECONDS)
        figure("worker delivers after", time.monotonic() - began, "s")
        stage.user("after")
        wait_until(lambda: stage.mails("after@example.com"), RECOVERY_SECONDS)
        with redis.Redis.from_url(stage.replica.url) as client:
            client.flushdb()
            wait_until(client.dbsize)  # limits and cache are there now
    figure("slowest response", traffic.slowest(began), "s")

    assert limits == [200] * 5 + [429] * 3
    assert traffic.statuses(began).keys() <= {200, 201}
    assert traffic.slowest(began) < RESPONSE_SECONDS
    assert [len(stage.mails(f"{name}@example.com")) for name in ("before", "meanwhile", "after")] == [1, 1, 1]
