"""Call a running server with what its OpenAPI schema allows, and with what it does not (`make fuzz`).

As an ordinary user, on a database of its own. Fails on a 5xx and on an answer that the schema does
not describe. Further arguments go to schemathesis, e.g. `make fuzz ARGS='--max-examples 20'`.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from services import free_port, stop

ROOT = Path(__file__).resolve().parent.parent
SCHEMATHESIS = ROOT / ".venv-tools" / "bin" / "schemathesis"
CONFIG = ROOT / ".ci" / "schemathesis.toml"
START_SECONDS = 30
UNLIMITED = "1000000/min"  # the limits have tests of their own; here they would hide everything else
# They end the session that the rest of the run needs.
LEFT_OUT = "/auth/(logout|logout-all|sessions)"


def call(url: str, body: dict[str, str] | None = None, token: str = "") -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, headers)  # noqa: S310  # our own server
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            call(url)
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("fuzz: the server did not start")
            time.sleep(0.1)


def fuzz(base: str, arguments: list[str]) -> int:
    account = {"email": "fuzz@example.com", "name": "Fuzz", "password": f"A1{secrets.token_hex(8)}"}
    token = call(f"{base}/api/v1/auth/register", account)["data"]["tokens"]["accessToken"]
    command: list[str | Path] = [SCHEMATHESIS, "--config-file", CONFIG, "run", f"{base}/api/v1/schema"]
    command += ["--header", f"Authorization: Bearer {token}", "--exclude-path-regex", LEFT_OUT]
    command += ["--max-examples", "50", *arguments]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    try:
        call(f"{base}/api/v1/users/me", token=token)
    except urllib.error.HTTPError as error:
        sys.exit(f"fuzz: the session ended during the run ({error.code}), so most of it was never reached")
    return code


def main() -> int:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="groundwork-fuzz-") as folder:
        environment = os.environ | {
            "DEBUG": "true",
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
            "REDIS_URL": "",
            "CELERY_BROKER_URL": "",
            "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
            "ACCESS_TOKEN_MINUTES": "600",
            "BCRYPT_ROUNDS": "4",
            "LOG_LEVEL": "ERROR",
            **{f"THROTTLE_{who}": UNLIMITED for who in ("USER", "ANON", "AUTH")},
        }
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True)
        server = subprocess.Popen(
            [*manage, "runserver", "--noreload", f"127.0.0.1:{port}"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,  # its greeting; errors stay
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/health", server)
            return fuzz(f"http://127.0.0.1:{port}", sys.argv[1:])
        finally:
            stop(server, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
