"""A server that is about to stop: its readiness is 503 while it still serves, so that a load balancer chooses others.

`manage.py serve --drain SECONDS` begins this at SIGTERM. Its processes look for a file in the folder that they share.
"""

import os
import signal
from pathlib import Path
from threading import Timer
from typing import Any

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # names the folder that the processes of one server share
FILE = "stopping"


def is_stopping() -> bool:
    folder = os.environ.get(FOLDER)
    return bool(folder) and Path(str(folder), FILE).exists()


def drain_first(seconds: float) -> None:
    """Let SIGTERM begin the drain, and so many seconds later do what it does now. A second one does it at once."""
    stop: Any = signal.getsignal(signal.SIGTERM)

    def begin(*arguments: Any) -> None:
        signal.signal(signal.SIGTERM, stop)
        Path(os.environ[FOLDER], FILE).touch()
        timer = Timer(seconds, stop, arguments)
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, begin)
