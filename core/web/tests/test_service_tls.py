"""Real connections to Redis and RabbitMQ with TLS: each client verifies the certificate."""

import json
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest
from django.conf import settings as configured

from core.tests.interpreter import ROOT, django_python
from core.tests.tls import Authority

pytestmark = pytest.mark.once

REQUIRED, NONE = ssl.CERT_REQUIRED, ssl.CERT_NONE
VERIFIED = "?ssl_cert_reqs=required&ssl_check_hostname=true"
UNVERIFIED = "?ssl_cert_reqs=none&ssl_check_hostname=false"


class TlsEndpoint:
    """TLS in front of a plain server, as stunnel would be; without one it only notes what clients say."""

    def __init__(self, context, target=None):
        self.context, self.target = context, target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard, self.spoken_to = b"", threading.Event()

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_error):
        self.listener.close()

    def accept(self):
        with suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=self.listener.accept()[:1], daemon=True).start()

    def serve(self, raw):
        with (
            suppress(OSError),
            self.context.wrap_socket(raw, server_side=True) as client,
            ExitStack() as stack,
        ):
            if self.target is None:
                self.heard = client.recv(100)
                self.spoken_to.set()
                return
            server = stack.enter_context(socket.create_connection(self.target))
            while True:
                readable = [client] if client.pending() else select.select([client, server], [], [])[0]
                for source in readable:
                    data = source.recv(65536)
                    if not data:
                        return
                    (server if source is client else client).sendall(data)


needs_redis = pytest.mark.skipif(not configured.REDIS_URL.startswith("redis://"), reason="of Redis")


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "right")


@pytest.fixture
def wrong(tmp_path):
    return Authority(tmp_path, "wrong")


@pytest.fixture
def tls_redis(authority):
    """The Redis of the tests behind TLS: its URL without options."""
    plain = urlsplit(configured.REDIS_URL)
    with TlsEndpoint(authority.server_context(), (plain.hostname, plain.port or 6379)) as endpoint:
        login = f"{plain.netloc.rpartition('@')[0]}@" if "@" in plain.netloc else ""
        yield f"rediss://{login}127.0.0.1:{endpoint.port}{plain.path}"


WEB = """
import json, traceback
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from core.db.counters import count_in_redis
settings.CACHES["default"]["OPTIONS"]["IGNORE_EXCEPTIONS"] = False

def works(speak):
    try:
        speak()
    except Exception:
        said = traceback.format_exc()
        return "certificate" if "certificate verify failed" in said else said
    return "works"

def broker():
    with current_app.connection_for_write() as connection:
        connection.connect()
        connection.default_channel.client.ping()

print(json.dumps({
    "cache": works(lambda: cache.set("tls", 1, 5)),
    "limits": count_in_redis("limit:tls", 5) is not None,
    "broker": works(broker),
    "ready": {name: check["status"] for name, check in Client().get("/health/ready").json()["checks"].items()},
}))
"""


def web(url):
    done = django_python(WEB, REDIS_URL=url, CELERY_BROKER_URL=url)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_redis
@pytest.mark.parametrize("query", ["ssl_ca_certs={right}", "ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs=none"])
def test_a_trusted_redis_is_used_by_cache_limits_and_broker(tls_redis, authority, query):
    seen = web(f"{tls_redis}?{query.format(right=authority.bundle)}")

    assert (seen["cache"], seen["limits"], seen["broker"]) == ("works", True, "works")
    assert (seen["ready"]["cache"], seen["ready"]["broker"]) == ("ok", "ok")


@needs_redis
@pytest.mark.parametrize(
    "query", ["", "?ssl_ca_certs={wrong}", "?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={wrong}"]
)
def test_any_other_redis_is_refused_by_cache_limits_and_broker(tls_redis, wrong, query):
    seen = web(f"{tls_redis}{query.format(wrong=wrong.bundle)}")

    assert (seen["cache"], seen["broker"]) == ("certificate", "certificate")
    assert not seen["limits"]
    assert (seen["ready"]["cache"], seen["ready"]["broker"]) == ("failed", "failed")


@needs_redis
def test_a_certificate_for_another_host_is_refused(authority, tmp_path):
    plain = urlsplit(configured.REDIS_URL)
    with TlsEndpoint(authority.server_context("192.0.2.1"), (plain.hostname, plain.port)) as endpoint:
        seen = web(f"rediss://127.0.0.1:{endpoint.port}/0?ssl_ca_certs={authority.bundle}")

    assert (seen["cache"], seen["broker"]) == ("certificate", "certificate")


def worker_output(url, *words):
    """Start a worker, and return the first line of its log that holds one of `words`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "config", "worker", "-c", "1", "-P", "solo", "-Q", "tls-test"],
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": url, "CELERY_BROKER_URL": url, "LOG_LEVEL": "INFO"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    timer = threading.Timer(60, process.kill)
    timer.start()
    try:
        return next((line for line in process.stderr if any(word in line for word in words)), "")
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stderr.close()


@needs_redis
def test_a_worker_connects_to_a_trusted_broker_only(tls_redis, authority, wrong):
    said = [
        worker_output(
            f"{tls_redis}?ssl_ca_certs={trusted.bundle}", "Connected to", "certificate verify failed"
        )
        for trusted in (authority, wrong)
    ]

    assert "Connected to" in said[0]
    assert "certificate verify failed" in said[1]


AMQP = """
from celery import current_app
try:
    with current_app.connection_for_write(connect_timeout=5) as connection:
        connection.connect()
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("trusted", "address", "refusal"),
    [
        ("right", "127.0.0.1", ""),
        ("wrong", "127.0.0.1", "certificate verify failed"),
        ("right", "192.0.2.1", "IP address mismatch"),
    ],
)
def test_rabbitmq_is_spoken_to_only_under_a_trusted_certificate(authority, wrong, trusted, address, refusal):
    bundle = {"right": authority, "wrong": wrong}[trusted].bundle
    with TlsEndpoint(authority.server_context(address)) as endpoint:
        url = f"amqps://guest:guest@127.0.0.1:{endpoint.port}//?ssl_ca_certs={bundle}"
        said = django_python(AMQP, CELERY_BROKER_URL=url).stdout

        assert refusal in said
        assert endpoint.heard.startswith(b"AMQP") is (refusal == "")
