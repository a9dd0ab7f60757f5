"""Loaded by every Python whose PYTHONPATH has this folder: the resolver of the fault tests, for names under `test`.

The file FAULT_NAMES has the names that fail, after the word `fails` or `hangs`.
"""

import os
import socket
import time
from pathlib import Path
from typing import Any

resolve: Any = socket.getaddrinfo


def fault_of(host: str) -> str:
    fault, *names = Path(os.environ["FAULT_NAMES"]).read_text().split() or [""]
    return fault if host in names else ""


def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
    if not str(host).endswith(".test"):
        return resolve(host, *arguments, **options)
    ends = time.monotonic() + 30  # as two name servers with the default limits
    while (fault := fault_of(host)) == "hangs" and time.monotonic() < ends:
        time.sleep(0.05)  # as the resolver of the system: nothing ends it early
    if fault:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return resolve("127.0.0.1", *arguments, **options)


socket.getaddrinfo = getaddrinfo
