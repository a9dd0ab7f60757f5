"""Git, run in one folder, each program with a time limit."""

import os
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

SECONDS = 300
GRACE_SECONDS = 5
# A hook of git sets them, and git would work on another repository than that of the folder.
INHERITED = {
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
}
# Neither a password nor a message is read from a terminal.
UNATTENDED = {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "LC_ALL": "C"}


class GitError(Exception):
    """Failure of git, with what it printed."""


class Done(NamedTuple):
    """Result of a program of git."""

    status: int
    text: str
    errors: str


class Git:
    """Git in one folder."""

    def __init__(self, folder: Path, seconds: float = SECONDS) -> None:
        self.folder, self.seconds = folder, seconds

    def run(self, *arguments: str, stdin: str = "") -> Done:
        """Run git and return its result. Raises GitError where it is missing, or takes longer than the limit.

        Its output goes to files: a pipe would stay open as long as a program that git leaves running, such as a shared
        connection of SSH.
        """
        environment = {name: value for name, value in os.environ.items() if name not in INHERITED}
        with TemporaryFile() as given, TemporaryFile() as text, TemporaryFile() as errors:
            given.write(stdin.encode(errors="surrogateescape"))
            given.seek(0)
            try:
                process = subprocess.Popen(  # noqa: S603 - a list, no shell; names of refs never begin with a dash
                    ["git", *arguments],  # noqa: S607 - that of the user's PATH
                    cwd=self.folder,
                    env={**environment, **UNATTENDED},
                    stdin=given,
                    stdout=text,
                    stderr=errors,
                    start_new_session=True,
                )
            except OSError as error:
                raise GitError(f"git cannot be started: {error}") from error
            try:
                status = process.wait(self.seconds)
            except BaseException as error:
                end(process)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise GitError(
                        f"`git {arguments[0]}` took longer than {self.seconds:g} seconds, and was ended."
                    ) from error
                raise
            return Done(status, content(text), content(errors))

    def output(self, *arguments: str, stdin: str = "") -> str:
        """Return what git prints. Raises GitError where it fails."""
        done = self.run(*arguments, stdin=stdin)
        if done.status:
            raise failure(arguments[0], done)
        return done.text

    def commit_of(self, name: str) -> str | None:
        """Return the hash of the commit that a name of git means; None if there is none."""
        done = self.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return None if done.status else done.text.strip()


def failure(command: str, done: Done) -> GitError:
    printed = "\n".join(part for part in (done.text.strip(), done.errors.strip()) if part)
    return GitError(f"`git {command}` failed:\n{printed}")


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
