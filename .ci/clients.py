"""Generate a TypeScript and a Python client, check the programs in clients/, and run them (`make test-clients`).

The schema is that of a running server, and the programs call this server. Fails where a generator warns, a program does
not type-check strictly, or a response does not match its type. The generated code stays in clients/generated/.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from live import ROOT, environment, live_server

CLIENTS = ROOT / "clients"
GENERATED = CLIENTS / "generated"
TYPESCRIPT = CLIENTS / "node_modules" / ".bin"
PYTHON = ROOT / ".venv-clients" / "bin"
STEP_SECONDS = 120
WARNINGS = ("warn", "⚠", "skipping", "cannot parse")


def step(title: str, command: Sequence[str | Path], *, is_generator: bool = False) -> None:
    """Run one program. Exits with its output if it fails, times out or, as a generator, warns."""
    paths = os.environ | {"PYTHONPATH": str(GENERATED), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    try:
        run = subprocess.run(
            command,
            cwd=CLIENTS,
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
        [TYPESCRIPT / "openapi-typescript", document, "--output", GENERATED / "schema.d.ts"],
        is_generator=True,
    )
    command: list[str | Path] = [PYTHON / "openapi-python-client", "generate", "--path", document]
    command += ["--output-path", GENERATED / "api_client", "--meta", "none", "--fail-on-warning"]
    step(
        "openapi-python-client",
        [*command, "--config", CLIENTS / "openapi-python-client.yml"],
        is_generator=True,
    )


def main() -> int:
    with (
        tempfile.TemporaryDirectory(prefix="clients-") as folder,
        live_server(environment(f"sqlite:///{folder}/db.sqlite3")) as base,
    ):
        generate(base)
        step("tsc --strict", [TYPESCRIPT / "tsc", "--project", CLIENTS])
        step("mypy --strict", [PYTHON / "mypy", "--config-file", CLIENTS / "mypy.ini", "program.py"])
        password = f"A1{secrets.token_hex(8)}"
        step("program.ts", ["node", GENERATED / "program.js", base, password])
        step("program.py", [PYTHON / "python", "program.py", base, password])
    return 0


if __name__ == "__main__":
    sys.exit(main())
