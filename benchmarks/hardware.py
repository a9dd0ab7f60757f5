"""The processor and the memory of this machine, by the standard library alone."""

import os
import platform
from pathlib import Path


def processor() -> str:
    """Return the processor's model, if the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    models = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    return ", ".join(sorted(models)) or platform.machine()


def memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
