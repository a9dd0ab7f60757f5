"""Locks of requirements after a merge: no merge of two locks is right, so they are made anew."""

import os
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from core.releases.git import Git
from core.releases.programs import ProgramError, run

LOCKS, SOURCES = "requirements/*.txt", "requirements/*.in"
PROGRAM = ".ci/lock.py"  # that of `make lock`
SECONDS = 600  # a request to the package index for each requirement
LINES = 5  # of what it printed
BOTH_SIDES = {2, 3}


def rebuild(root: Path, git: Git, conflicts: Mapping[str, set[int]]) -> tuple[list[str], str]:
    """Resolve conflicts of locks with those of the release, make the locks anew where they do not fit the
    requirements, and add them to the index. Return the changed locks, and why they could not be made anew.

    Does nothing while the requirements or the program have conflicts.
    """
    if matching(conflicts, SOURCES) or PROGRAM in conflicts or not (root / PROGRAM).is_file():
        return [], ""
    if both := [path for path in matching(conflicts, LOCKS) if conflicts[path] >= BOTH_SIDES]:
        git.output("checkout", "--theirs", "--", *both)
        git.output("add", "--", *both)
    try:
        if lock(root, "--check") == "":
            return [], ""
        problem = lock(root)
    except ProgramError as error:
        problem = str(error)
    if problem:
        git.output("checkout", "--", f":(glob){LOCKS}")  # those that it has written before it failed
        return [], problem
    changed = git.output("diff", "--name-only", "-z", "--", f":(glob){LOCKS}").split("\0")
    git.output("add", "--", f":(glob){LOCKS}")
    return [path for path in changed if path], ""


def matching(paths: Iterable[str], pattern: str) -> list[str]:
    return [path for path in paths if fnmatchcase(path, pattern)]


def lock(root: Path, *arguments: str) -> str:
    """Run the program of `make lock`, with uv from the environment of this Python; return why it failed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = run(
        [sys.executable, PROGRAM, *arguments],
        root,
        name=PROGRAM,
        seconds=SECONDS,
        environment={**os.environ, "PATH": path},
    )
    if not done.status:
        return ""
    printed = f"{done.text}\n{done.errors}".strip().splitlines()[-LINES:]
    return "\n".join(printed) or f"{PROGRAM} failed with {done.status}"
