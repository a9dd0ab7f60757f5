"""The processor time of a piece of code, whatever else the machine and the process have to do."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cpu_seconds(limit: float) -> Iterator[None]:
    """Require that the block takes this thread less than so many seconds. A collection of garbage does not count: its
    time depends on all that was tested before."""
    gc.disable()
    started = time.thread_time()
    try:
        yield
        spent = time.thread_time() - started
    finally:
        gc.enable()
    assert spent < limit
