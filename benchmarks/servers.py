"""Contenders as processes, each on a database of its own. They are always stopped."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from benchmarks import data, settings
from benchmarks.client import Client, Unexpected, signed_token
from benchmarks.contenders import PEERS, ROOT, Contender, libpq
from benchmarks.data import Caller
from core.tests.ports import free_port

START_SECONDS, STOP_SECONDS = 60, 40
INHERITED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")  # the variables of the shell that a server gets


@dataclass
class Running:
    contender: Contender
    port: int
    process: "subprocess.Popen[bytes]"
    secret: str
    log: Path
    tokens: dict[str, str] = field(default_factory=dict)  # by the id of the user

    @property
    def name(self) -> str:
        return self.contender.name

    def client(self) -> Client:
        return Client(self.port)

    def log_in(self, callers: list[Caller]) -> None:
        """Get a token for each caller, by the contender's log-in if it has one."""
        client = self.client()
        for caller in callers:
            if self.contender.login is None:
                self.tokens[caller.id] = signed_token(caller.id, self.secret)
            else:
                body = {"email": caller.email, "password": data.PASSWORD}
                self.tokens[caller.id] = self.contender.token_of(
                    client.json("POST", self.contender.login, body=body)
                )


def shell() -> dict[str, str]:
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def require(contender: Contender) -> None:
    """Raise Unexpected if the program or the packages of the contender are not installed."""
    program = contender.command[0]
    if shutil.which(program) is None:
        raise Unexpected(
            f"{contender.title} needs {Path(program).name}, which is not installed: install it (`make bench` installs "
            f"the packages of PyPI and npm), or name the others with ARGS='--only …'"
        )
    if contender.packages and not contender.packages.is_dir():
        raise Unexpected(f"{contender.title} lacks its packages: `make bench` installs them where npm is")


@contextmanager
def database(server_url: str, name: str, copy_of: str = "") -> Iterator[str]:
    """Create a database, and drop it at the end. `copy_of` is the URL of a template without connections."""
    template = urlsplit(copy_of).path.lstrip("/") or "template1"
    full_name = f"bench_{name}_{os.getpid()}"
    try:
        yield settings.create_database(server_url, full_name, template)
    finally:
        settings.drop_database(server_url, full_name)


def fill_peer(contender: Contender, url: str, ours_url: str, secret: str) -> None:
    environment = peer_environment(contender, url, secret, port=0)
    for command in contender.prepare:
        subprocess.run(command, cwd=contender.folder, env=environment, check=True)
    if contender.schema:
        with psycopg.connect(url) as connection:
            connection.execute(contender.schema.read_bytes())
    data.copy(ours_url, url, contender)


def peer_environment(contender: Contender, url: str, secret: str, port: int) -> dict[str, str]:
    own = {name: value.format(port=port) for name, value in contender.environment.items()}
    return shell() | libpq(url) | {"PEER_SECRET": secret, "PYTHONPATH": str(PEERS)} | own


@contextmanager
def server(contender: Contender, url: str, redis_url: str, secret: str, folder: Path) -> Iterator[Running]:
    port = free_port()
    if contender.folder == ROOT:
        environment = shell() | settings.ours(url, redis_url) | contender.environment
    else:
        environment = peer_environment(contender, url, secret, port)
    log = folder / f"{contender.name}.log"
    with log.open("wb") as lines:
        process = subprocess.Popen(
            [part.format(port=port) for part in contender.command],
            cwd=contender.folder,
            env=environment,
            stdout=lines,
            stderr=lines,
        )
        try:
            wait_until_ready(contender, port, process, log)
            yield Running(contender, port, process, secret, log)
        finally:
            stop(process)


def wait_until_ready(contender: Contender, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unexpected(f"{contender.name} did not start:\n{log.read_text(errors='replace')[-3000:]}")
        try:
            Client(port).send("GET", contender.list_path())  # any response: the request has no token
            return
        except OSError:
            time.sleep(0.1)


def stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def new_secret() -> str:
    return secrets.token_urlsafe(48)
