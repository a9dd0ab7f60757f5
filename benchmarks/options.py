"""The options of `make bench ARGS='…'`."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from benchmarks.contenders import ALL, ROOT
from benchmarks.load import SCENARIOS

RESULTS = ROOT / "benchmarks" / "results"
# A run of at least this is worth to be kept in the repository and shown in docs/performance.md.
COMPLETE = {"seconds": 5, "rounds": 3, "users": 1000, "resources": 200}
PARTIAL = ROOT / "var" / "bench"


def names_of(known: list[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        chosen = {name.strip() for name in text.split(",")} - {""}
        unknown = sorted(chosen - set(known))
        if unknown or not chosen:
            problem = f"knows no {', '.join(unknown)}" if unknown else "must name at least one"
            raise argparse.ArgumentTypeError(f"{problem}; there are {', '.join(known)}")
        return [name for name in known if name in chosen]

    return parse


def at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least}, not {text!r}")
        return int(text)

    return parse


def counts(text: str) -> list[int]:
    return [at_least(1)(part.strip()) for part in text.split(",")]


def add_services(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--database-url", help="a PostgreSQL that lets us create databases")
    parser.add_argument("--redis-url")


def with_services(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Parse the options; `.ci/services.py` names its servers in the environment."""
    chosen = parser.parse_args(arguments)
    chosen.database_url = chosen.database_url or os.environ.get("TEST_DATABASE_URL")
    chosen.redis_url = chosen.redis_url or os.environ.get("TEST_REDIS_URL")
    if not chosen.database_url or not chosen.redis_url:
        parser.error(
            "--database-url and --redis-url are needed; .ci/services.py, and so `make bench`, finds both"
        )
    return chosen


def read(arguments: list[str], description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench ARGS='…'",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    everybody, scenarios = list(ALL), list(SCENARIOS)
    parser.add_argument(
        "--only", type=names_of(everybody), default=everybody, help=f"of {','.join(everybody)}"
    )
    parser.add_argument(
        "--scenarios", type=names_of(scenarios), default=scenarios, help=f"of {','.join(scenarios)}"
    )
    parser.add_argument("--seconds", type=at_least(1), default=10, help="of each measurement (10)")
    parser.add_argument("--rounds", type=at_least(1), default=3, help="through everybody and everything (3)")
    parser.add_argument(
        "--connections",
        type=counts,
        default=[16, 64],
        help="the ratios are those at the first count; at each further one there is one round of L, D and C (16,64)",
    )
    parser.add_argument("--users", type=at_least(2), default=1000, help="(1000)")
    parser.add_argument("--resources", type=at_least(50), default=200, help="of each user (200)")
    add_services(parser)
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of latest.json and latest.svg (benchmarks/results, of a partial run var/bench)",
    )
    chosen = with_services(parser, arguments)
    chosen.complete = (
        chosen.only == everybody
        and chosen.scenarios == scenarios
        and all(getattr(chosen, name) >= least for name, least in COMPLETE.items())
    )
    chosen.out = chosen.out or (RESULTS if chosen.complete else PARTIAL)
    return chosen
