"""A Python of its own, for what is decided once per process: the environment and the logs."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PROLOGUE = """
import os; os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django; django.setup()
from django.test import Client
"""


def python(code, **environment):
    """Run `code` in the environment of the tests, changed by `environment`; None takes a variable away."""
    merged = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={name: value for name, value in merged.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def django_python(code, **environment):
    return python(PROLOGUE + code, **environment)
