"""Programs, run in one folder, each with a time limit."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

GRACE_SECONDS = 5


class ProgramError(Exception):
    """Program that cannot be started, that took too long, or that failed."""


class Done(NamedTuple):
    """Result of a program."""

    status: int
    text: str
    errors: str


def run(
    command: Sequence[str],
    folder: Path,
    *,
    name: str,
    seconds: float,
    environment: Mapping[str, str],
    stdin: str = "",
) -> Done:
    """Run a program and return its result. Raises ProgramError where it is missing, or takes longer than the limit.

    Its output goes to files: a pipe would stay open as long as a program that it leaves running, such as a shared
    connection of SSH.
    """
    with TemporaryFile() as given, TemporaryFile() as text, TemporaryFile() as errors:
        given.write(stdin.encode(errors="surrogateescape"))
        given.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 - a list, no shell; names of refs never begin with a dash
                command,
                cwd=folder,
                env=environment,
                stdin=given,
                stdout=text,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise ProgramError(f"{command[0]} cannot be started: {error}") from error
        try:
            status = process.wait(seconds)
        except BaseException as error:
            end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise ProgramError(
                    f"`{name}` took longer than {seconds:g} seconds, and was ended."
                ) from error
            raise
        return Done(status, content(text), content(errors))


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program and those that it started: git removes its lock files at SIGTERM."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(GRACE_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="surrogateescape")
