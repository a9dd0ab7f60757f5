"""The files of deploy/, and the product run by the commands in them: natively, with the services of the tests."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

from config.tests.processes import Product, call
from core.tests.ports import free_port
from core.tests.waiting import wait_until

FOLDER = Path(settings.BASE_DIR) / "deploy"
VARIABLES = set(
    re.findall(r"^#([A-Z][A-Z0-9_]+)=", (settings.BASE_DIR / ".env.example").read_text(), re.MULTILINE)
)
PROGRAMS = {"python": [sys.executable], "celery": [sys.executable, "-m", "celery"]}
SECONDS = 120
HOST = "api.example.com"


def parsed(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def unknown(names: Any) -> list[str]:
    """Return those of these variables that the settings do not read."""
    return sorted(name for name in names if name.removesuffix("_FILE") not in VARIABLES)


def image_health_check() -> list[str]:
    """Return the command of HEALTHCHECK in the Dockerfile."""
    [text] = re.findall(
        r"^HEALTHCHECK .*? CMD (\[.*\])$", (settings.BASE_DIR / "Dockerfile").read_text(), re.MULTILINE
    )
    return json.loads(text)


class Deployment(Product):
    """The product, started by the commands of one way of deployment: {"web": …, "worker": …, "beat": …}."""

    def __init__(self, folder: Any, commands: dict[str, list[str]], **environment: str) -> None:
        super().__init__(folder, MEDIA_ROOT=str(folder / "media"), **environment)
        self.commands = commands
        self.files: dict[str, str] = {}  # variables that replace those of the environment

    def native(self, command: list[str] | str, port: int = 0) -> list[str]:
        """Return the command with programs, address and port of this machine."""
        arguments = shlex.split(command) if isinstance(command, str) else command
        here = {"0.0.0.0": "127.0.0.1", "8000": str(port or self.port), "$PORT": str(port or self.port)}
        for before, after in here.items():
            arguments = [argument.replace(before, after) for argument in arguments]
        program, *others = arguments
        return [*PROGRAMS[Path(program).name], *others]

    def run(self, command: list[str] | str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.native(command),
            cwd=settings.BASE_DIR,
            env=self.environment | self.files | environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def started(self) -> "Deployment":
        self.administer(f'CREATE DATABASE "{self.database}"')
        done = self.run(self.commands["migrate"])
        assert done.returncode == 0, done.stderr
        for name in ("web", "worker", "beat"):
            command = [*self.native(self.commands[name])[1:]]
            if name == "beat":
                command += ["-s", str(self.log_path.with_name("beat"))]
            self.start(*command, **self.files)
        self.wait_until_ready()
        return self

    def wait_until_ready(self, url: str = "") -> None:
        wait_until(
            lambda: call(f"{url or self.url}/health/ready", Host=HOST).status == 200,
            SECONDS,
            processes=self.processes,
            explain=self.log_path.read_text,
        )

    @contextmanager
    def web(self, command: list[str] | str) -> Iterator[str]:
        """Run one more web server by this command, and yield its URL."""
        port = free_port()
        process = self.start(*self.native(command, port)[1:], **self.files)
        try:
            self.wait_until_ready(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(SECONDS)
            self.processes.remove(process)

    def wait_until_healthy(self, command: list[str] | str) -> None:
        """Wait until a health check exits with 0."""
        wait_until(lambda: self.run(command).returncode == 0, SECONDS, explain=self.log_path.read_text)

    def read_from_files(self, folder: Path) -> None:
        """Write the values of the secrets to files, and name these in place of the values."""
        folder.mkdir()
        for name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"):
            (folder / name).write_text(f"{self.environment[name]}\n")
            self.files |= {name: "", f"{name}_FILE": str(folder / name)}
