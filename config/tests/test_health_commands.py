"""`manage.py heartbeat`, the health check of the containers of worker and beat, next to real ones."""

import signal
import socket
import subprocess
import sys
import time
from socket import gethostname

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from config.tests.processes import Product
from core.tests.ports import free_port
from core.tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    not settings.CELERY_BROKER_URL or connection.vendor != "postgresql",
    reason="without a broker there is neither worker nor beat",
)
LIMIT_SECONDS = 20  # of the health check in docker-compose.yml and in deploy/
PROGRAMS = ("worker", "beat")


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    with Product(tmp_path_factory.mktemp("product")) as running:
        running.programs = dict(zip(PROGRAMS, running.processes[1:], strict=True))
        yield running


def health(product, program, **environment):
    """Return the exit status of the health check, which must end within its limit."""
    command = [sys.executable, "manage.py", "heartbeat", program]
    return subprocess.run(
        command,
        cwd=settings.BASE_DIR,
        env=product.environment | environment,
        capture_output=True,
        timeout=LIMIT_SECONDS,
        check=False,
    ).returncode


def wait_until_healthy(product, program):
    wait_until(lambda: health(product, program) == 0, explain=product.log_path.read_text)


def make_late(product, program):
    """Write the last heartbeat of a program as if it was long ago, and return whether it had one."""
    with psycopg.connect(product.environment["DATABASE_URL"]) as session:
        late = "UPDATE core_outbox_heartbeat SET beat_at = now() - interval '2 minutes'"
        found = session.execute(f"{late} WHERE program = %s AND host = %s", (program, gethostname()))
        return found.rowcount == 1


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_is_stopped_is_unhealthy_until_it_goes_on(product, program):
    wait_until_healthy(product, program)
    process = product.programs[program]
    process.send_signal(signal.SIGSTOP)
    try:
        assert make_late(product, program)
        assert health(product, program) == 1
    finally:
        process.send_signal(signal.SIGCONT)

    wait_until_healthy(product, program)


def test_a_program_that_is_gone_is_unhealthy(product):
    product.programs["beat"].terminate()
    product.programs["beat"].wait(60)
    try:
        assert make_late(product, "beat")
        assert health(product, "beat") == 1
        wait_until_healthy(product, "worker")
    finally:
        schedule = str(product.log_path.with_name("beat"))
        product.programs["beat"] = product.start("-m", "celery", "-A", "config", "beat", "-s", schedule)


def test_a_database_that_is_silent_is_unhealthy_within_the_limit(product):
    with socket.create_server(("127.0.0.1", free_port())) as silent:
        url = f"postgres://app@127.0.0.1:{silent.getsockname()[1]}/app"
        started = time.monotonic()

        assert health(product, "worker", DATABASE_URL=url) == 1
        assert time.monotonic() - started < LIMIT_SECONDS
