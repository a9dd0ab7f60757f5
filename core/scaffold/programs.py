"""Programs that the commands of this room run: those of the project, and Git."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import which

from django.conf import settings
from django.core.management.base import CommandError

STEP_SECONDS = 120
STATUS = re.compile(r"^[ A-Z?!]{2} (.+)$", re.MULTILINE)  # a line of `git status --porcelain`


def ruff(*arguments: str) -> None:
    config = Path(settings.BASE_DIR) / "pyproject.toml"
    run([sys.executable, "-m", "ruff", *arguments, "--config", str(config), "--no-cache"])


def manage_with(app: Path, *arguments: str) -> None:
    """Run `manage.py` with the app of this folder, whether or not the project has it."""
    module = ("-m", "core.scaffold.with_app", app.name, str(app.parent))
    run([sys.executable, *module, *arguments], shown=" ".join(["manage.py", *arguments[:2]]))


def changed_files(names: Sequence[str]) -> list[str]:
    """Return those of the files, and of the files in the folders, that are not as in the last commit. None where there
    is no Git."""
    root = Path(settings.BASE_DIR)
    program = which("git")
    if program is None or not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return []
    printed = run([program, "-c", "core.quotePath=false", "status", "--porcelain", "--", *names])
    return STATUS.findall(printed)


def run(command: list[str], shown: str = "") -> str:
    """Run a program in the project's folder, and return what it printed. Raises CommandError with that if it fails."""
    shown = shown or " ".join(command[1:4])
    try:
        done = subprocess.run(  # noqa: S603 - the project's own programs
            command,
            cwd=settings.BASE_DIR,
            env=os.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"`{shown}` took longer than {STEP_SECONDS} seconds.") from error
    if done.returncode:
        raise CommandError(f"{done.stdout.strip()}\n`{shown}` failed.")
    return done.stdout
