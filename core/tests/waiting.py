"""The one place that polls, for what only another process knows: whether it listens, what it has done."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from subprocess import Popen
from typing import Any


def wait_until(
    reached: Callable[[], Any],
    seconds: float = 60,
    *,
    processes: Iterable["Popen[bytes] | Popen[str]"] = (),
    explain: Callable[[], object] = str,
) -> Any:
    """Return the first true result of `reached`. An OSError counts as false: nothing listens yet.

    Fail with what `explain` returns after so many seconds, or as soon as one of the processes has ended.
    """
    deadline = time.monotonic() + seconds
    while True:
        with suppress(OSError):
            if result := reached():
                return result
        assert all(process.poll() is None for process in processes), explain()
        assert time.monotonic() < deadline, explain()
        time.sleep(0.02)
