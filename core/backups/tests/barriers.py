"""A command to encrypt with that stops at the beginning of the dump, so that a test can act during a backup."""

import os
import threading

import pytest

from core.backups.tests.installation import COPY, python_command

# Reports that it has begun, and copies when it may.
SCRIPT = f"""
import sys
if len(sys.argv) == 3:
    open(sys.argv[1], "w").close()
    open(sys.argv[2]).close()
{COPY}
"""


class Barrier:
    """`encrypt` and `decrypt` are values of variables. The first stops for each of the two parts of a backup."""

    def __init__(self, folder):
        script = folder / "barrier.py"
        script.write_text(SCRIPT)
        self.begun, self.open = folder / "begun", folder / "open"
        os.mkfifo(self.begun)
        os.mkfifo(self.open)
        self.encrypt = python_command(script, self.begun, self.open)
        self.decrypt = python_command(script)

    def wait(self):
        """Wait for the beginning of a part, when the moment of the backup is over."""
        self.begun.open().close()

    def let_through(self):
        self.open.open("w").close()

    def let_all_through(self):
        """Let the dump go on, and then the archive."""
        steps = self.let_through, self.wait, self.let_through
        threading.Thread(target=lambda: [step() for step in steps], daemon=True).start()


@pytest.fixture
def barrier(tmp_path):
    return Barrier(tmp_path)
