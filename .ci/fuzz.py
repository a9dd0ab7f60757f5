"""Call a running server with valid and invalid requests, generated from its OpenAPI schema (`make fuzz`).

Runs without a session, as a user, as staff and as an admin, two at a time, each with its own server and database:
SQLite, or with TEST_DATABASE_URL a temporary database on that PostgreSQL. Fails on a 5xx, on a response that the schema
does not describe and on one that takes longer than 2 seconds, and prints the number of cases. Other arguments go to
schemathesis, e.g. `make fuzz ARGS='--max-examples 20'`. Our own are `--only ROLE`, which may be repeated, and
`--released`: the schema is that of the last release, so that a change of meaning is found too.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from contract import last_release
from fuzz_objects import call, make_objects
from live import ROOT, environment, live_server
from psycopg import sql

SCHEMATHESIS = ROOT / ".venv-tools" / "bin" / "schemathesis"
CONFIG = ROOT / ".ci" / "schemathesis.toml"
HOOKS = ROOT / ".ci" / "fuzz_hooks.py"
# They end the session that the rest of the run needs.
LEFT_OUT = "/auth/(logout|logout-all|sessions)"
ROLES = ("anonymous", "user", "staff", "admin")
# With these a run as all has more than 50,000 cases, and takes some 45 minutes on two cores.
DEFAULTS = ("--max-examples", "185", "--max-response-time", "2")


@dataclass(frozen=True)
class Caller:
    role: str
    email: str
    password: str

    def log_in(self, base: str) -> str:
        body = {"email": self.email, "password": self.password}
        token: str = call(f"{base}/api/v1/auth/login", body)["data"]["tokens"]["accessToken"]
        return token


def make_caller(base: str, variables: dict[str, str], role: str, name: str) -> Caller:
    caller = Caller(role, f"fuzz-{name}@example.com", f"A1{secrets.token_hex(8)}")
    if role == "admin":
        options = ["--noinput", "--email", caller.email, "--name", "Fuzz"]
        subprocess.run(
            [sys.executable, "manage.py", "createsuperuser", *options],
            cwd=ROOT,
            env=variables | {"DJANGO_SUPERUSER_PASSWORD": caller.password},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return caller
    account = {"email": caller.email, "name": "Fuzz", "password": caller.password}
    registered = call(f"{base}/api/v1/auth/register", account)["data"]["user"]
    if role == "staff":
        token = make_caller(base, variables, "admin", "promoter").log_in(base)
        call(f"{base}/api/v1/users/{registered['id']}", {"role": "staff"}, token, method="PATCH")
    return caller


def fuzz(
    schema: str, base: str, caller: Caller, other: Caller, arguments: list[str], log: Path
) -> tuple[int, int]:
    """Run schemathesis, and return its exit code and the number of cases. `other` must see nothing of the caller's."""
    token = caller.log_in(base)
    with tempfile.TemporaryDirectory(prefix="fuzz-report-") as folder:
        known, report, config = (Path(folder) / name for name in ("known.json", "report.json", "config.toml"))
        known.write_text(json.dumps(make_objects(base, token, admin=caller.role == "admin")))
        text = CONFIG.read_text()
        command: list[str | Path] = [SCHEMATHESIS, "--config-file", config, "run"]
        command += [schema, "--url", base] if schema else [f"{base}/api/v1/schema"]
        if caller.role != "anonymous":
            text += with_tokens(Path(folder) / "users.json", {"caller": token, "other": other.log_in(base)})
            command += ["--exclude-path-regex", LEFT_OUT]
        config.write_text(text)
        command += ["--report-json-path", report, *DEFAULTS, *arguments]
        hooked = os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS), "FUZZ_KNOWN": str(known)}
        with log.open("wb") as output:
            code = subprocess.run(
                command, cwd=ROOT, env=hooked, stdout=output, stderr=output, check=False
            ).returncode
        cases = json.loads(report.read_text())["test_cases"]["generated"] if report.exists() else 0
    try:
        me = call(f"{base}/api/v1/users/me", token=token)["data"]
    except urllib.error.HTTPError as error:
        sys.exit(f"fuzz: the session ended during the run ({error.code}), so most of it was never reached")
    if caller.role not in {me["role"], "anonymous"}:
        sys.exit(f"fuzz: the {caller.role} became a {me['role']} during the run")
    return code, cases


def with_tokens(users: Path, tokens: dict[str, str]) -> str:
    """Write the tokens as a Web Fuzzing Commons document, and return the configuration that names it.

    Requests are the caller's. The check of object-level authorization reads each object again as the other user.
    """
    headers = {
        name: [{"name": "Authorization", "value": f"Bearer {token}"}] for name, token in tokens.items()
    }
    users.write_text(
        json.dumps({"auth": [{"name": name, "fixedHeaders": each} for name, each in headers.items()]})
    )
    return f'\n[auth.wfc]\npath = "{users}"\nuser = "caller"\npeers = ["caller", "other"]\n'


@contextmanager
def database(folder: str) -> Iterator[str]:
    url = os.environ.get("TEST_DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield f"sqlite:///{folder}/db.sqlite3"
        return
    name = f"fuzz_{secrets.token_hex(4)}"
    with psycopg.connect(url, dbname="postgres", autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def run(role: str, schema: str, arguments: list[str], log: Path) -> tuple[int, int]:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, database(folder) as url:
        return run_on(url, role, schema, arguments, log)


def run_on(url: str, role: str, schema: str, arguments: list[str], log: Path) -> tuple[int, int]:
    variables = environment(url)
    with live_server(variables) as base:
        caller = make_caller(base, variables, role, role)
        other = make_caller(base, variables, "user", "other")
        return fuzz(schema, base, caller, other, arguments, log)


def main() -> int:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--only", choices=ROLES, action="append")
    parser.add_argument("--released", action="store_true")
    ours, arguments = parser.parse_known_args()
    roles = ours.only or list(ROLES)
    release = last_release()
    if ours.released and release is None:
        print("fuzz: there is no release whose schema could be used")
        return 0
    schema = str(release) if ours.released else ""
    # Each with a server and a database of its own: the admin deletes accounts, and a process makes use of one core.
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-logs-") as folder,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        logs = {role: Path(folder) / role for role in roles}
        started = {role: pool.submit(run, role, schema, arguments, log) for role, log in logs.items()}
        results = {}
        for role, running in started.items():
            results[role] = running.result()
            print(f"\n=== as {role}\n\n{logs[role].read_text(errors='replace')}", flush=True)
    counts = ", ".join(f"{cases:,} as {role}" for role, (_code, cases) in results.items())
    print(f"fuzz: {sum(cases for _code, cases in results.values()):,} cases ({counts})")
    return max(code for code, _cases in results.values())


if __name__ == "__main__":
    sys.exit(main())
