"""Loaded by every Python whose PYTHONPATH has this folder: the resolver of the fault tests, for names under `test`.

The file FAULT_NAMES has the names that fail, after the word `fails` or `hangs`.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

resolve: Any = socket.getaddrinfo


def fault_of(host: str) -> str:
    fault, *names = Path(os.environ["FAULT_NAMES"]).read_text().split() or [""]
    return fault if host in names else ""


def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
    if not str(host).endswith(".test"):
        return resolve(host, *arguments, **options)
    from core.tests.waiting import wait_until  # noqa: PLC0415 - only once the project can be imported

    with suppress(AssertionError):  # 30 s, as two name servers with the default limits
        wait_until(lambda: fault_of(host) != "hangs", 30)
    if fault_of(host):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return resolve("127.0.0.1", *arguments, **options)


socket.getaddrinfo = getaddrinfo
