"""The first command of a newcomer, `runserver --prepare`, as `make run` calls it."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from django.conf import settings

from config.tests.processes import call
from core.tests.ports import free_port
from core.tests.waiting import wait_until
from core.web.demo import DEMO_PASSWORD, DEMO_USER

pytestmark = pytest.mark.once

START_SECONDS = 60


@pytest.fixture
def start(tmp_path):
    """Start the server as a newcomer does; return its address, and the lines up to the end of its greeting."""
    running = []

    def prepared():
        port = free_port()
        served = {
            "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
            "REDIS_URL": "",
            "CELERY_BROKER_URL": "",
            "EMAIL_BACKEND": "",
            "FRONTEND_URL": "",
            "PORT": str(port),
        }
        process = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--prepare", "--noreload", f"127.0.0.1:{port}"],
            cwd=settings.BASE_DIR,
            env=os.environ | served | {"DEBUG": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        lines = []
        for line in process.stdout:  # ends with the process
            lines.append(line.strip())
            if line.startswith("Paste this"):
                return f"http://127.0.0.1:{port}", lines
        raise AssertionError("\n".join(lines))

    yield prepared
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=START_SECONDS)


def test_an_empty_database_is_migrated_and_has_the_demo_logins(start):
    base, lines = start()
    account = {"email": DEMO_USER, "password": DEMO_PASSWORD}

    assert "Loaded demo data: 2 accounts" in "\n".join(lines)
    assert f"{base}/dev/mails     the emails that were sent, and a sample of each" in lines
    assert f"{base}/dev/requests  the requests, each with its SQL" in lines
    assert call(f"{base}/api/v1/auth/login", "POST", account).status == 200


def test_a_reset_is_finished_by_the_inbox(start):
    base, _lines = start()
    request = call(f"{base}/api/v1/auth/forgot-password", "POST", {"email": DEMO_USER})
    request_id = request.headers["X-Request-ID"]

    def inbox():
        return re.search(r'"(/dev/mails/\d+)"', call(f"{base}/dev/mails").body.decode())

    email = call(base + wait_until(inbox, START_SECONDS)[1]).body.decode()
    token = re.search(rf"{base}/account/reset-password\?token=([\w-]+)", email)[1]
    body = {"token": token, "password": DEMO_PASSWORD}

    assert request_id in email
    assert call(f"{base}/api/v1/auth/reset-password", "POST", body).status == 204
    assert "/api/v1/auth/reset-password" in call(f"{base}/dev/requests").body.decode()


def test_a_second_start_loads_nothing_again(start):
    start()
    base, lines = start()

    assert "Loaded" not in "\n".join(lines)
    assert call(f"{base}/health/ready").status == 200


def test_a_port_in_use_is_named_before_the_database_is_made(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "manage.py", "runserver", "--prepare", f"127.0.0.1:{port}"],
            cwd=settings.BASE_DIR,
            env=os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "DEBUG": "true"},
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )

    assert done.returncode == 1
    assert f"The port {port} cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "db.sqlite3").exists()
