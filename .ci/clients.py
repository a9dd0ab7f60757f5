"""Generate a TypeScript and a Python client and a Postman collection, and run what uses them (`make test-clients`).

The schema is that of a running server, and the programs of clients/ call this server. Fails where a generator warns, a
program does not type-check strictly, or a response does not match its type. What is generated stays in
clients/generated/.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import api_by_task
from live import ROOT, environment, live_server

from config.tests.faults.network import Proxy

CLIENTS = ROOT / "clients"
GENERATED = CLIENTS / "generated"
NODE = CLIENTS / "node_modules" / ".bin"
PYTHON = ROOT / ".venv-clients" / "bin"
STEP_SECONDS = 120
WARNINGS = ("warn", "⚠", "skipping", "cannot parse")


def step(
    title: str, command: Sequence[str | Path], *, folder: Path = CLIENTS, is_generator: bool = False
) -> None:
    """Run one program. Exits with its output if it fails, times out or, as a generator, warns."""
    paths = os.environ | {"PYTHONPATH": str(GENERATED), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    try:
        run = subprocess.run(
            command,
            cwd=folder,
            env=paths,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"test-clients: {title}: not done after {STEP_SECONDS} seconds")
    warned = is_generator and any(word in run.stdout.lower() for word in WARNINGS)
    if run.returncode or warned:
        sys.exit(f"{run.stdout}\ntest-clients: {title} {'warned' if warned else 'failed'}")
    print(f"{title}: ok", flush=True)


def generate(base: str) -> None:
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir()
    document = GENERATED / "openapi.json"
    with urllib.request.urlopen(f"{base}/api/v1/schema", timeout=STEP_SECONDS) as response:  # noqa: S310 - our own server
        document.write_bytes(response.read())
    step(
        "openapi-typescript",
        [NODE / "openapi-typescript", document, "--output", GENERATED / "schema.d.ts"],
        is_generator=True,
    )
    command: list[str | Path] = [PYTHON / "openapi-python-client", "generate", "--path", document]
    command += ["--output-path", GENERATED / "api_client", "--meta", "none", "--fail-on-warning"]
    step(
        "openapi-python-client",
        [*command, "--config", CLIENTS / "openapi-python-client.yml"],
        is_generator=True,
    )


def send_requests(base: str) -> None:
    """Run the Postman collection's first steps, and the requests for editors."""
    collection, requests = GENERATED / "postman_collection.json", GENERATED / "requests.http"
    step("openapi-to-postmanv2", ["node", "postman.mjs", GENERATED / "openapi.json", collection])
    command: list[str | Path] = [NODE / "newman", "run", collection, "--folder", "First steps"]
    step("newman", [*command, "--env-var", f"baseUrl={base}", "--color", "off"])
    requests.write_text((CLIENTS / "requests.http").read_text().replace("http://127.0.0.1:8000", base))
    step("httpyac", [NODE / "httpyac", "send", requests, "--all", "--output", "short"])


class CutOnce(Proxy):
    """Loses the response to the first request that holds `cut_after`."""

    def close(self, source: socket.socket) -> None:
        if self.cuts:
            self.cut_after = b""
        super().close(source)


EXPIRED = """
import json
from datetime import timedelta
from django.contrib.auth import get_user_model
from rest_framework_simplejwt.tokens import AccessToken
from accounts.services.sessions import open_session
user = get_user_model().objects.create_user({email!r}, password={password!r}, name="Late")
pair = open_session(user)
access = AccessToken(str(pair.access))
access.set_exp(lifetime=timedelta(minutes=-1))
print(json.dumps(dict(accessToken=str(access), refreshToken=str(pair.refresh), tokenType="Bearer", expiresIn=0)))
"""


def expired_session(variables: dict[str, str], name: str, password: str) -> str:
    """Return the tokens of a new user's session, as JSON; the access token has expired."""
    code = EXPIRED.format(email=f"late.{name}@example.com", password=password)
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", code]
    done = subprocess.run(command, cwd=ROOT, env=variables, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def run_programs(base: str, variables: dict[str, str]) -> None:
    """Run both programs behind a proxy that loses the response to one request of each."""
    password = f"A1{secrets.token_hex(8)}"
    programs: dict[str, list[str | Path]] = {
        "program.ts": ["node", GENERATED / "program.js"],
        "program.py": [PYTHON / "python", "program.py"],
    }
    for name, command in programs.items():
        with CutOnce(int(base.rpartition(":")[2])) as proxy:
            proxy.cut_after = b"Survives"
            expired = expired_session(variables, name, password)
            step(name, [*command, f"http://127.0.0.1:{proxy.port}", password, expired])
            if proxy.cuts != 1:
                sys.exit(f"test-clients: {name}: {proxy.cuts} responses were lost, not one")


def follow_page(base: str, folder: Path) -> None:
    """Run the blocks of docs/api-by-task.md, those of a language as one program."""
    for language, code in api_by_task.programs(base).items():
        command = api_by_task.command_of(language, code, folder, PYTHON / "python")
        step(f"{api_by_task.PAGE.name}, {language}", command, folder=folder)
        api_by_task.require_state(base, language)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="clients-") as folder, ExitStack() as stack:
        variables = environment(f"sqlite:///{folder}/db.sqlite3")
        base = stack.enter_context(live_server(variables))
        subprocess.run([sys.executable, "manage.py", "seed"], cwd=ROOT, env=variables, check=True)
        generate(base)
        step("tsc --strict", [NODE / "tsc", "--project", CLIENTS])
        step(
            "mypy --strict",
            [
                PYTHON / "mypy",
                "--config-file",
                CLIENTS / "mypy.ini",
                "program.py",
                "session.py",
                "test_session.py",
            ],
        )
        step("session.test.ts", ["node", "--test", GENERATED / "session.test.js"])
        step("test_session.py", [PYTHON / "python", "-m", "unittest", "--quiet", "test_session"])
        run_programs(base, variables)
        send_requests(base)
        follow_page(base, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
