"""A worker's own counters at METRICS_PORT, from the running product."""

import socket

import pytest
from django.conf import settings

from config.tests.processes import SmallProduct, call
from core.tests.ports import free_port
from core.tests.waiting import wait_until

pytestmark = pytest.mark.skipif(not settings.CELERY_BROKER_URL, reason="without a broker there is no worker")
PERSON = {"email": "ann@example.com", "password": "Corr3ct-horse-battery", "name": "Ann"}
SENT = 'outbox_messages_total{kind="accounts.email_proof",outcome="done"}'


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def product(tmp_path_factory, port):
    token = {"METRICS_PORT": str(port), "METRICS_TOKEN": "s3cret"}
    with SmallProduct(tmp_path_factory.mktemp("metrics"), **token) as running:
        running.api("POST", "/auth/register", PERSON)
        running.sink.next_email()
        yield running


def test_deliveries_and_jobs_of_the_processes_are_counted(product, port):
    login = product.api("POST", "/auth/login", {"email": PERSON["email"], "password": PERSON["password"]})
    token = login.json()["data"]["tokens"]["accessToken"]
    product.api("POST", "/resources/export", {"format": "csv"}, token)

    def counted():
        text = call(f"http://127.0.0.1:{port}/metrics", token="s3cret").body.decode()
        ended = 'jobs_total{kind="resource.export",outcome="succeeded"} 1.0'
        return f"{SENT} 1.0" in text and ended in text

    wait_until(counted, explain=lambda: product.log_path.read_text()[-3000:])


@pytest.mark.parametrize(
    ("path", "token", "status"), [("/metrics", "", 403), ("/metrics", "wrong", 403), ("/", "s3cret", 404)]
)
def test_others_are_refused(product, port, path, token, status):
    reply = call(f"http://127.0.0.1:{port}{path}", token=token)

    assert (reply.status, reply.body) == (status, b"")


def test_half_a_request_holds_nobody_up(product, port):
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")

        assert call(f"http://127.0.0.1:{port}/metrics", token="s3cret").status == 200
