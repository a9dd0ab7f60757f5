"""Does a worker stay small, and stay as it is? Sends 100,000 requests, mixed reads and writes, and looks at the
resident memory of each worker after every tenth of them.

    python .ci/services.py python -m benchmarks.memory

Fails when a worker ends above 150 MB, or when its memory keeps growing.
"""

import argparse
import math
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load, options, run
from benchmarks.client import Unexpected
from benchmarks.load import SCENARIOS, Failed, Request
from benchmarks.servers import Running

MAX_MB = 150.0
FLAT_MB = 5.0  # growth by 100,000 requests that may be the noise of an allocator
WARM_UP_SHARE = 0.3  # until caches and pools are full, growth is expected
CONNECTIONS, LOOKS, FIRST_SECONDS = 16, 10, 2
MIX = ("L", "D", "L", "C", "L", "D", "search", "L", "D", "D")
PROC = Path("/proc")


@dataclass(frozen=True)
class Sample:
    requests: int
    megabytes: dict[int, float]  # by the worker's process


def children(pid: int) -> list[int]:
    tasks = PROC.joinpath(str(pid), "task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def workers(pid: int) -> list[int]:
    """Return the server's processes that serve requests: its children without the resource tracker."""
    return sorted(
        child
        for child in children(pid)
        if b"resource_tracker" not in PROC.joinpath(str(child), "cmdline").read_bytes()
    )


def resident_megabytes(pid: int) -> float:
    for line in PROC.joinpath(str(pid), "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise Unexpected(f"process {pid} has no memory: it has ended")


def mixed(running: Running, people: run.People) -> list[Request]:
    streams = {name: SCENARIOS[name](running, *people) for name in set(MIX)}
    return [
        streams[MIX[number % len(MIX)]][number % len(streams[MIX[number % len(MIX)]])]
        for number in range(load.REQUESTS)
    ]


def series(running: Running, people: run.People, total: int, folder: Path) -> list[Sample]:
    requests, sent = mixed(running, people), 0
    pids = workers(running.process.pid)

    def look() -> Sample:
        sample = Sample(sent, {pid: resident_megabytes(pid) for pid in pids})
        numbers = "   ".join(f"{size:6.1f} MB" for size in sample.megabytes.values())
        run.show(f"  {sent:8,} requests   {numbers}")
        return sample

    samples, rate = [look()], 0.0
    while sent < total:
        seconds = math.ceil(total / LOOKS / rate) if rate else FIRST_SECONDS
        result = load.finish(load.start(running, requests, CONNECTIONS, seconds, folder))
        if result.errors or not result.requests:
            raise Unexpected(f"{result.errors} errors in {result.requests} requests")
        sent, rate = sent + result.requests, result.rate
        samples.append(look())
    return samples


def growth(samples: list[Sample], pid: int) -> float:
    """Return the megabytes by 100,000 requests after the warm-up, along the straight line that fits best."""
    warm = [sample for sample in samples if sample.requests >= WARM_UP_SHARE * samples[-1].requests]
    if len(warm) < 2:
        raise Unexpected("too few samples to distinguish growth from noise: use more --requests")
    line = statistics.linear_regression(
        [sample.requests for sample in warm], [sample.megabytes[pid] for sample in warm]
    )
    return line.slope * 100_000


def judge(samples: list[Sample]) -> bool:
    passed = True
    for pid, last in samples[-1].megabytes.items():
        grown = growth(samples, pid)
        small, flat = last < MAX_MB, grown < FLAT_MB
        passed = passed and small and flat
        run.show(
            f"worker: {last:.1f} MB (below {MAX_MB:.0f}: {'pass' if small else 'MISS'}), {grown:+.1f} MB by 100,000 "
            f"requests (below {FLAT_MB:.0f}: {'pass' if flat else 'MISS'})"
        )
    return passed


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_services(parser)
    parser.add_argument("--requests", type=options.at_least(20), default=100_000)
    parser.add_argument("--users", type=options.at_least(2), default=100)
    parser.add_argument("--resources", type=options.at_least(50), default=200, help="of each user")
    chosen = options.with_services(parser, arguments)
    chosen.only = ["ours"]
    load.require_wrk()
    if not PROC.joinpath("self", "status").exists():
        sys.exit("The size of a process is read from /proc, which only Linux has.")
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
            [ours], people = run.start(stack, chosen, Path(name))
            passed = judge(series(ours, people, chosen.requests, Path(name)))
    except (Failed, Unexpected) as error:
        print(f"memory: {error}", file=sys.stderr)
        return 1
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
