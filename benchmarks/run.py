"""Measure this project and its peers on the same PostgreSQL, interleaved in one run.

Prints a table, and writes latest.json and latest.svg. A complete run also rewrites the figures in docs/performance.md.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import redis

from benchmarks import bcrypt_ceiling, check, contenders, data, load, machine, options, plot, report, settings
from benchmarks.client import Unexpected
from benchmarks.data import Caller
from benchmarks.figures import Run, Table, figure
from benchmarks.load import SCENARIOS, Failed, Result
from benchmarks.servers import Running, database, fill_peer, new_secret, require, server, shell

AT_EVERY_COUNT = ("L", "D", "C")  # what is run at the further numbers of connections too
UNCHANGED = ("L304", "D304")
STORM_CONNECTIONS, STORM_WATCHERS = 16, 2
STORM_START_SECONDS = 1
Rounds = dict[str, dict[str, list[Result]]]  # by scenario, then by contender
People = tuple[list[Caller], list[Caller]]  # readers and writers


def show(text: str) -> None:
    print(text, flush=True)


# --- before ---------------------------------------------------------------------------------------


@contextmanager
def redis_as_before(url: str) -> Iterator[None]:
    """Delete the counters and wake-up messages of the run when it ends, and no other keys."""
    client = redis.Redis.from_url(url)
    before = set(client.scan_iter())
    try:
        yield
    finally:
        for key in set(client.scan_iter()) - before:
            client.delete(key)


def start(stack: ExitStack, chosen: argparse.Namespace, folder: Path) -> tuple[list[Running], People]:
    """Start every contender, each with a database of its own, with equal rows."""
    for name in chosen.only:
        require(contenders.ALL[name])
    ours_url = stack.enter_context(database(chosen.database_url, "ours"))
    show(f"Filling {chosen.users} users × {chosen.resources} resources")
    data.seed(shell() | settings.ours(ours_url, chosen.redis_url), chosen.users, chosen.resources)
    ready = []
    for name in chosen.only:
        contender, secret, url = contenders.ALL[name], new_secret(), ours_url
        if contender is not contenders.OURS:
            show(f"Filling {name}")
            ours_too = contender.folder == contenders.ROOT
            url = stack.enter_context(database(chosen.database_url, name, ours_url if ours_too else ""))
            if not ours_too:
                fill_peer(contender, url, ours_url, secret)
        data.settle(url)
        ready.append((contender, url, secret))
    people = data.callers(ours_url)
    stack.enter_context(redis_as_before(chosen.redis_url))
    everybody = [
        stack.enter_context(server(contender, url, chosen.redis_url, secret, folder))
        for contender, url, secret in ready
    ]
    for running in everybody:
        running.log_in([caller for group in people for caller in group])
    compared = check.compare(everybody, *people)
    show(f"{len(everybody)} contenders agree in {compared} responses")
    return everybody, people


# --- the run --------------------------------------------------------------------------------------


def one_round(
    everybody: list[Running],
    people: People,
    scenarios: list[str],
    connections: int,
    seconds: int,
    folder: Path,
) -> Iterator[tuple[str, str, Result]]:
    """Yield (scenario, contender, result), one after the other."""
    for scenario in scenarios:
        for running in everybody:
            requests = SCENARIOS[scenario](running, *people)
            if not requests:
                continue  # this contender has no such thing
            result = load.measure(running, requests, connections, seconds, folder)
            if scenario in UNCHANGED and SCENARIOS[scenario](running, *people) != requests:
                raise Unexpected(f"{running.name} stopped responding with 304: an ETag has changed")
            yield scenario, running.name, result
        if scenario == "login":
            rate = bcrypt_ceiling.hashes_per_second(seconds, contenders.WORKERS)
            yield scenario, "bcrypt", Result(requests=round(rate * seconds), seconds=seconds)


def rounds(
    number: int,
    everybody: list[Running],
    people: People,
    scenarios: list[str],
    connections: int,
    seconds: int,
    folder: Path,
) -> Table:
    """Run the rounds interleaved, every second one in reverse, so that no contender always follows the same one."""
    measured: Rounds = {}
    for index in range(number):
        show(f"\nRound {index + 1} of {number}, {connections} connections")
        order = everybody if index % 2 == 0 else everybody[::-1]
        for scenario, name, result in one_round(order, people, scenarios, connections, seconds, folder):
            measured.setdefault(scenario, {}).setdefault(name, []).append(result)
            show(
                f"  {scenario:7} {name:20} {result.rate:8.1f}/s   p50 {result.p50:7.1f}   p99 {result.p99:7.1f} ms"
                f"   errors {result.failures or 0}"
            )
    return {
        scenario: {name: figure(results) for name, results in by_name.items()}
        for scenario, by_name in measured.items()
    }


def login_storm(running: Running, people: People, seconds: int, folder: Path) -> dict[str, Result]:
    """Measure the list on two connections: alone, and while sixteen others log in without a pause."""
    requests = SCENARIOS["L"](running, *people)
    calm = load.measure(running, requests, STORM_WATCHERS, seconds, folder)
    logins = SCENARIOS["login"](running, *people)
    storm = load.start(running, logins, STORM_CONNECTIONS, seconds + 2 * STORM_START_SECONDS, folder)
    time.sleep(STORM_START_SECONDS)
    meanwhile = load.finish(load.start(running, requests, STORM_WATCHERS, seconds, folder))
    stormed = load.finish(storm)
    show(
        f"\nL before a storm of log-ins: p95 {calm.p95:.1f} ms, during {stormed.rate:.1f}/s: {meanwhile.p95:.1f}"
    )
    return {"calm": calm, "meanwhile": meanwhile, "logins": stormed}


def measure(chosen: argparse.Namespace, everybody: list[Running], people: People, folder: Path) -> Run:
    first, *further = chosen.connections
    table = rounds(chosen.rounds, everybody, people, chosen.scenarios, first, chosen.seconds, folder)
    wide = [scenario for scenario in chosen.scenarios if scenario in AT_EVERY_COUNT]
    others = {
        connections: rounds(1, everybody, people, wide, connections, chosen.seconds, folder)
        for connections in further
    }
    storm = None
    uncached = next((running for running in everybody if running.name == contenders.OURS_UNCACHED.name), None)
    if uncached and "login" in chosen.scenarios:
        storm = login_storm(uncached, people, chosen.seconds, folder)
    return Run(
        table=table,
        others=others,
        storm=storm,
        machine=machine.describe(chosen.database_url, chosen.redis_url, chosen.only),
        options={
            name: getattr(chosen, name) for name in ("seconds", "rounds", "connections", "users", "resources")
        },
    )


def leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main(arguments: list[str]) -> int:
    chosen = options.read(arguments, __doc__)
    load.require_wrk()
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
            everybody, people = start(stack, chosen, Path(name))
            run = measure(chosen, everybody, people, Path(name))
    except (Failed, Unexpected) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    show(report.terminal(run))
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "latest.json").write_text(report.as_json(run))
    (chosen.out / "latest.svg").write_text(plot.draw(run))
    if chosen.complete:
        report.rewrite(report.PAGE, run)
    else:
        show("\nNot a complete run: docs/performance.md stays as it is.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
