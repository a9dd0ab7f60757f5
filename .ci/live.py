"""A server of this project for tools that call one, on SQLite or another empty database, without limits in the way."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from private_servers import stop

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.tests.ports import free_port  # noqa: E402

START_SECONDS = 30
UNLIMITED = "1000000/min"  # the limits have tests of their own; here they would hide everything else


def environment(database_url: str) -> dict[str, str]:
    return os.environ | {
        "DEBUG": "true",
        "DATABASE_URL": database_url,
        "REDIS_URL": "",
        "CELERY_BROKER_URL": "",
        "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
        "ACCESS_TOKEN_MINUTES": "600",
        "BCRYPT_ROUNDS": "4",
        "LOG_LEVEL": "ERROR",
        **{f"THROTTLE_{who}": UNLIMITED for who in ("USER", "ANON", "AUTH")},
    }


@contextmanager
def live_server(variables: dict[str, str]) -> Iterator[str]:
    """Yield the address of a server on a migrated database. Exits where it does not start."""
    base = f"http://127.0.0.1:{free_port()}"
    manage = [sys.executable, "manage.py"]
    subprocess.run([*manage, "migrate", "--verbosity", "0"], cwd=ROOT, env=variables, check=True)
    server = subprocess.Popen(
        [*manage, "runserver", "--noreload", base.removeprefix("http://")],
        cwd=ROOT,
        env=variables,
        stdout=subprocess.DEVNULL,  # its greeting; errors stay
    )
    try:
        wait_for(f"{base}/health", server)
        yield base
    finally:
        stop(server, signal.SIGTERM)


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=START_SECONDS):  # noqa: S310 - our own server
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the server did not start")
            time.sleep(0.1)
