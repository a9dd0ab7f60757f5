"""Scenarios as lists of requests, and wrk, which sends them."""

import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import check, data
from benchmarks.data import Caller
from benchmarks.servers import Running

SCRIPT = Path(__file__).with_name("load.lua")
NO_WRK = (
    "The load generator wrk is missing. On Debian or Ubuntu: apt-get install wrk; on macOS: brew install wrk."
)
REQUESTS = 2000  # prepared for each scenario, then again from the first
WARM_UP_SHARE, LEAST_WARM_UP = 0.2, 1
PAUSE_SECONDS = 1.0
TIMEOUT_SECONDS = 10
ATTEMPTS = 3


class Failed(Exception):
    """wrk did not do its work."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    token: str = ""
    body: Any = None
    etag: str = ""

    @property
    def lua(self) -> str:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if self.etag:
            headers["If-None-Match"] = self.etag
        fields = {"method": quoted(self.method), "path": quoted(self.path)}
        if self.body is not None:
            headers["Content-Type"] = "application/json"
            fields["body"] = quoted(json.dumps(self.body))
        pairs = ", ".join(f"[{quoted(name)}] = {quoted(value)}" for name, value in headers.items())
        fields["headers"] = f"{{{pairs}}}"
        return "{" + ", ".join(f"{name} = {value}" for name, value in fields.items()) + "}"


def quoted(text: str) -> str:
    """Return a string of Lua. Bytes are written as numbers, so that nothing needs escaping."""
    return '"' + "".join(f"\\{byte:03d}" for byte in text.encode()) + '"'


@dataclass(frozen=True)
class Result:
    requests: int
    seconds: float
    bytes: int = 0
    p50: float = 0.0  # milliseconds
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0
    connect: int = 0
    read: int = 0
    write: int = 0
    status: int = 0
    timeout: int = 0

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def failures(self) -> dict[str, int]:
        """Number of errors of each kind."""
        kinds = ("connect", "read", "write", "status", "timeout")
        return {kind: number for kind in kinds if (number := getattr(self, kind))}

    @property
    def errors(self) -> int:
        return sum(self.failures.values())


def parse(output: str) -> Result:
    """Parse the last result that load.lua printed."""
    lines = [line.removeprefix("RESULT ") for line in output.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise Failed(f"wrk printed no result:\n{output[-2000:]}")
    return Result(**json.loads(lines[-1]))


# --- scenarios ------------------------------------------------------------------------------------

Maker = Callable[[Running, list[Caller], list[Caller]], list[Request]]


def repeated(make: Callable[[int], Request]) -> list[Request]:
    return [make(number) for number in range(REQUESTS)]


def lists(running: Running, readers: list[Caller], _writers: list[Caller]) -> list[Request]:
    path = running.contender.list_path()
    return [Request("GET", path, running.tokens[reader.id]) for reader in readers]


def details(running: Running, readers: list[Caller], _writers: list[Caller]) -> list[Request]:
    chosen = random.Random(1)

    def one(number: int) -> Request:
        reader = readers[number % len(readers)]
        path = running.contender.object_path(chosen.choice(reader.resources))
        return Request("GET", path, running.tokens[reader.id])

    return repeated(one)


def creations(running: Running, _readers: list[Caller], writers: list[Caller]) -> list[Request]:
    path = running.contender.list_path()

    def one(number: int) -> Request:
        writer = writers[number % len(writers)]
        return Request("POST", path, running.tokens[writer.id], data.new_resource(writer, number))

    return repeated(one)


def searches(running: Running, readers: list[Caller], _writers: list[Caller]) -> list[Request]:
    """Return a rare word and a common one in turn."""
    return [
        Request("GET", running.contender.list_path(word), running.tokens[reader.id])
        for reader in readers
        for word in (reader.rare, reader.common)
    ]


def unchanged(running: Running, requested: list[tuple[str, str]]) -> list[Request]:
    """Return the conditional requests, or an empty list if one of them does not get a 304."""
    etags = check.etags(running, requested)
    if not etags:
        return []
    return [
        Request("GET", path, token, etag=etag) for (path, token), etag in zip(requested, etags, strict=True)
    ]


def unchanged_lists(running: Running, readers: list[Caller], _writers: list[Caller]) -> list[Request]:
    path = running.contender.list_path()
    return unchanged(running, [(path, running.tokens[reader.id]) for reader in readers])


def unchanged_details(running: Running, readers: list[Caller], _writers: list[Caller]) -> list[Request]:
    requested = [
        (running.contender.object_path(reader.resources[0]), running.tokens[reader.id]) for reader in readers
    ]
    return unchanged(running, requested)


def logins(running: Running, readers: list[Caller], writers: list[Caller]) -> list[Request]:
    path = running.contender.login
    return [
        Request("POST", path, body={"email": caller.email, "password": data.PASSWORD})
        for caller in [*readers, *writers]
        if path
    ]


SCENARIOS: dict[str, Maker] = {
    "L": lists,
    "D": details,
    "C": creations,
    "search": searches,
    "L304": unchanged_lists,
    "D304": unchanged_details,
    "login": logins,
}


# --- wrk ------------------------------------------------------------------------------------------


def require_wrk() -> str:
    path = shutil.which("wrk")
    if path is None:
        raise SystemExit(NO_WRK)
    return path


def start(
    running: Running, requests: list[Request], connections: int, seconds: int, folder: Path
) -> "subprocess.Popen[str]":
    plan = folder / f"{running.name}-{id(requests)}.lua"
    plan.write_text("return {\n" + ",\n".join(request.lua for request in requests) + "\n}\n")
    command = [require_wrk(), "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds}s", "--timeout", f"{TIMEOUT_SECONDS}s", "--script", str(SCRIPT)]
    command += [f"http://127.0.0.1:{running.port}", "--", str(plan)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: "subprocess.Popen[str]") -> Result:
    output, _ = process.communicate()
    if process.returncode:
        raise Failed(f"wrk ended with {process.returncode}:\n{output[-2000:]}")
    return parse(output)


def measure(
    running: Running, requests: list[Request], connections: int, seconds: int, folder: Path
) -> Result:
    """Warm up, then measure; again if there was no response at all, which is the machine's doing."""
    warm_up = max(LEAST_WARM_UP, round(seconds * WARM_UP_SHARE))
    for _attempt in range(ATTEMPTS):
        finish(start(running, requests, connections, warm_up, folder))
        # Responses of the warm-up may still be on the way, and would slow the measurement: a log-in takes its time.
        time.sleep(PAUSE_SECONDS)
        result = finish(start(running, requests, connections, seconds, folder))
        if result.requests:
            return result
    raise Failed(f"{running.name} sent no response in {ATTEMPTS} times {seconds} seconds: {result.failures}")
