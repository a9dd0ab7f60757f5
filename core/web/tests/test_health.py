import json
import socket

import pytest
from celery import current_app
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from core.tests.interpreter import django_python
from core.web import health

pytestmark = pytest.mark.django_db


@pytest.fixture
def unseen(monkeypatch):
    """As in a process that has not looked at the migrations yet."""
    health.migrated.clear()


@pytest.mark.parametrize("path", ["/health", "/health/live"])
def test_liveness_touches_nothing(settings, django_assert_num_queries, path):
    with django_assert_num_queries(0):
        answer = Client().get(path)

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": settings.VERSION}


def test_readiness_asks_every_part(unseen):
    answer = Client().get("/health/ready")

    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert list(answer.json()["checks"]) == ["database", "cache", "broker", "migrations"]
    for check in answer.json()["checks"].values():
        assert check["status"] == "ok"
        assert 0 <= check["latencyMs"] < 10_000


def test_probes_ask_with_head_too():
    assert [Client().head(path).status_code for path in ("/health", "/health/ready")] == [200, 200]


def test_a_migration_that_waits_makes_it_unready(unseen):
    applied = MigrationRecorder.Migration.objects.filter(app="accounts").order_by("id").last()
    applied.delete()
    answer = Client().get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"
    assert answer.json()["checks"]["migrations"]["status"] == "pending"
    assert int(answer["Retry-After"]) >= 1


def test_a_server_that_is_about_to_stop_is_not_ready(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    before = Client().get("/health/ready")
    (tmp_path / "stopping").touch()
    answer = Client().get("/health/ready")

    assert (before.status_code, answer.status_code) == (200, 503)
    assert answer.json()["status"] == "stopping"
    assert {check["status"] for check in answer.json()["checks"].values()} == {"ok"}
    assert int(answer["Retry-After"]) >= 1


def test_migrations_once_applied_are_not_looked_for_again(unseen, django_assert_num_queries):
    Client().get("/health/ready")
    with django_assert_num_queries(1):
        Client().get("/health/ready")


def test_without_redis_it_serves_on(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    health.probe.cache_clear()
    answer = Client().get("/health/ready")
    health.probe.cache_clear()

    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["checks"]["cache"]["status"] == "failed"
    assert answer.json()["checks"]["database"]["status"] == "ok"


ASK = """
import json
browser = Client(raise_request_exception=False)
answers = {
    name: (answer.status_code, answer.headers.get("Retry-After"), json.loads(answer.content))
    for name, answer in (
        ("live", browser.get("/health/live")),
        ("ready", browser.get("/health/ready")),
        ("login", browser.post("/api/v1/auth/login", {"email": "a@example.com", "password": "x"},
                               content_type="application/json")),
        ("bearer", browser.get("/api/v1/jobs", HTTP_AUTHORIZATION="Bearer " + TOKEN)),
    )
}
print(json.dumps(answers))
"""
TOKEN = """
from uuid import uuid4
from django.utils import timezone
from accounts.tokens import access_token
TOKEN = access_token(user_id=uuid4(), session_id=uuid4(), now=timezone.now())
"""


@pytest.fixture(scope="module")
def without_database(tmp_path_factory):
    """The answers of a process whose database cannot be opened."""
    folder = tmp_path_factory.mktemp("no-database")
    done = django_python(TOKEN + ASK, DATABASE_URL=f"sqlite:///{folder}", LOG_LEVEL="CRITICAL")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_without_the_database_it_lives_but_is_not_ready(without_database):
    assert without_database["live"][0] == 200
    status, retry_after, body = without_database["ready"]

    assert (status, body["status"]) == (503, "unavailable")
    assert body["checks"]["database"]["status"] == body["checks"]["migrations"]["status"] == "failed"
    assert body["checks"]["cache"]["status"] == "ok"
    assert int(retry_after) >= 1


@pytest.mark.parametrize("name", ["login", "bearer"])
def test_without_the_database_every_request_that_needs_it_is_told_to_come_again(without_database, name):
    status, retry_after, body = without_database[name]

    assert (status, body["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert int(retry_after) >= 1


@pytest.fixture
def broker(settings, monkeypatch):
    """Look for the broker there."""

    def move(url):
        settings.CELERY_BROKER_URL = url
        settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 5, "socket_connect_timeout": 5}
        monkeypatch.setattr(current_app.conf, "broker_write_url", url)
        return Client().get("/health/ready")

    return move


def test_a_broker_that_refuses_degrades_it(broker):
    answer = broker("redis://127.0.0.1:1/0")

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert [check["status"] for check in answer.json()["checks"].values()] == ["ok", "ok", "failed", "ok"]
    assert answer.json()["checks"]["broker"]["latencyMs"] < 1500


def test_a_silent_broker_degrades_it_before_a_probe_gives_up(broker):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = broker(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")

    assert answer.json()["checks"]["broker"]["status"] == "failed"
    assert answer.json()["checks"]["broker"]["latencyMs"] < 2500


GONE = f"{'x' * 70}.test"  # no name server is asked for so long a label


def test_the_name_of_one_sentinel_may_be_gone():
    """As that of a pod that is down."""
    health.look_up_any([GONE, "127.0.0.1"])

    with pytest.raises(OSError, match="too long"):
        health.look_up_any([GONE, GONE])


def test_the_hosts_of_a_broker_are_those_of_each_url():
    """A socket has no name, and needs no lookup."""
    assert health.broker_hosts("redis+socket:///run/redis.sock?virtual_host=2") == [None]
    assert health.broker_hosts("sentinel://:p@one:1/0;sentinel://:p@[::1]:2/0") == ["one", "::1"]
    health.look_up_any([None])
