"""Git, run in one folder."""

import os
from pathlib import Path

from core.releases.programs import Done, ProgramError, run

SECONDS = 300
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


class Git:
    """Git in one folder."""

    def __init__(self, folder: Path, seconds: float = SECONDS) -> None:
        self.folder, self.seconds = folder, seconds

    def run(self, *arguments: str, stdin: str = "") -> Done:
        """Run git and return its result. Raises ProgramError where it is missing, or takes longer than the limit."""
        inherited = {name: value for name, value in os.environ.items() if name not in INHERITED}
        return run(
            ["git", *arguments],
            self.folder,
            name=f"git {arguments[0]}",
            seconds=self.seconds,
            environment={**inherited, **UNATTENDED},
            stdin=stdin,
        )

    def output(self, *arguments: str, stdin: str = "") -> str:
        """Return what git prints. Raises ProgramError where it fails."""
        done = self.run(*arguments, stdin=stdin)
        if done.status:
            raise failure(arguments[0], done)
        return done.text

    def commit_of(self, name: str) -> str | None:
        """Return the hash of the commit that a name of git means; None if there is none."""
        done = self.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return None if done.status else done.text.strip()


def failure(command: str, done: Done) -> ProgramError:
    printed = "\n".join(part for part in (done.text.strip(), done.errors.strip()) if part)
    return ProgramError(f"`git {command}` failed:\n{printed}")
