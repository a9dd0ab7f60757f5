"""The product as its operators run it: real processes, on a database of their own, with a real mail sink."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from email import message_from_bytes, policy
from pathlib import Path
from queue import Queue
from typing import Any, ClassVar
from urllib.parse import urlsplit

import psycopg
from aiosmtpd.controller import Controller
from django.conf import settings

from core.tests.ports import free_port
from core.tests.waiting import wait_until

MAIL_SECONDS = 60


class Reply:
    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self) -> Any:
        return json.loads(self.body)


def call(url: str, method: str = "GET", body: Any = None, token: str = "", **headers: str) -> Reply:
    """Send one request. Header names are written with underscores."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Reply(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.headers, error.read())


class Sink:
    """An SMTP server that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: Queue[Any] = Queue()
        self.begun: set[int] = set()  # sessions in the middle of an email
        self.most = 0  # of them at once
        self.slow: dict[str, float] = {}  # seconds before each reply, by how the sender or receiver begins

    async def pause(self, address: str) -> None:
        await asyncio.sleep(
            max((self.slow[name] for name in self.slow if address.startswith(name)), default=0)
        )

    async def handle_MAIL(
        self, _server: Any, session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        self.begun.add(id(session))
        self.most = max(self.most, len(self.begun))
        await self.pause(address)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        await self.pause(address)
        if address.startswith("refused@"):
            return f"550 5.1.1 <{address}> is not known"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:
        self.begun.discard(id(session))
        self.messages.put(message_from_bytes(envelope.content, policy=policy.default))
        await self.pause(envelope.rcpt_tos[0])
        return "250 kept"

    def next_email(self) -> Any:
        return self.messages.get(timeout=MAIL_SECONDS)


class Product:
    """Web server, and a worker with its scheduler where there is a broker. Use as a context manager."""

    migration_environment: ClassVar[dict[str, str]] = {}
    worker_app = "config"
    web_processes = 2

    def __init__(self, folder: Any, **environment: str) -> None:
        self.sink = Sink()
        self.controller = Controller(self.sink, hostname="127.0.0.1", port=free_port())
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.database = f"journey_{os.getpid()}_{secrets.token_hex(3)}"
        self.log_path = folder / "product.log"
        self.environment = os.environ | {
            "DEBUG": "false",
            "SECRET_KEY": secrets.token_urlsafe(64),
            "ALLOWED_HOSTS": "127.0.0.1",
            "SECURE_SSL_REDIRECT": "false",
            "DATABASE_URL": self.database_url(folder),
            "EMAIL_BACKEND": "",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(self.controller.port),
            "FRONTEND_URL": self.url,
            "CELERY_WORKER_CONCURRENCY": "1",
            "LOG_LEVEL": "INFO",
            **environment,
        }

    def database_url(self, folder: Any) -> str:
        served = os.environ.get("TEST_DATABASE_URL", "")
        if not served.startswith("postgres"):
            return f"sqlite:///{folder / 'journey.sqlite3'}"
        return urlsplit(served)._replace(path=f"/{self.database}").geturl()

    @property
    def has_worker(self) -> bool:
        return bool(settings.CELERY_BROKER_URL)

    def administer(self, statement: str) -> None:
        if self.environment["DATABASE_URL"].startswith("postgres"):
            # The database that is named there need not exist, as Django's own tests do not need it either.
            server = urlsplit(os.environ["TEST_DATABASE_URL"])._replace(path="/postgres").geturl()
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(statement)

    def __enter__(self) -> "Product":
        self.controller.start()
        self.log = self.log_path.open("ab")
        try:
            return self.started()
        except BaseException:
            self.__exit__()
            raise

    def started(self) -> "Product":
        self.administer(f'CREATE DATABASE "{self.database}"')
        self.manage("migrate", "--verbosity", "0", **self.migration_environment)
        return self.start_servers()

    def start_servers(self) -> "Product":
        self.start("manage.py", "serve", "--port", str(self.port), "--workers", str(self.web_processes))
        if self.has_worker:
            schedule = self.log_path.with_name("beat")
            self.start("-m", "celery", "-A", self.worker_app, "worker")
            self.start("-m", "celery", "-A", "config", "beat", "-s", str(schedule))
        self.wait_until_ready()
        return self

    def __exit__(self, *_error: Any) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.controller.stop()
        self.log.close()
        self.administer(f'DROP DATABASE IF EXISTS "{self.database}" WITH (FORCE)')

    def manage(self, *arguments: str, **environment: str) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def another_server(self, code: Any = settings.BASE_DIR, **environment: str) -> str:
        """Start one more web server on the same database, with other variables, and return its URL. `code` is the
        folder of its release."""
        port = free_port()
        self.start("manage.py", "serve", "--port", str(port), "--workers", "1", code=code, **environment)
        return f"http://127.0.0.1:{port}"

    def start(
        self, *arguments: str, code: Any = settings.BASE_DIR, **environment: str
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=code,
            env=self.environment | environment,
            stdout=self.log,
            stderr=self.log,
        )
        self.processes.append(process)
        return process

    def wait_until_ready(self, url: str = "") -> None:
        wait_until(
            lambda: call(f"{url or self.url}/health/ready").status == 200,
            processes=self.processes,
            explain=self.log_path.read_text,
        )

    def api(self, method: str, path: str, body: Any = None, token: str = "", **headers: str) -> Reply:
        return call(f"{self.url}/api/v1{path}", method, body, token, **headers)


class SmallProduct(Product):
    """One whose web server has one process: it starts sooner."""

    web_processes = 1


def processes_of(pid: int) -> list[int]:
    """Return the processes of this server that serve: its tracker of shared resources has no threads."""
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return sorted(child for child in children if len(list(Path(f"/proc/{child}/task").iterdir())) > 1)
