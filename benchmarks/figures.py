"""From single measurements to medians, ratios and verdicts."""

import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.contenders import ALL
from benchmarks.load import Result

TITLES = {name: contender.title for name, contender in ALL.items()}


@dataclass(frozen=True)
class Target:
    """`ours` in `scenario` is to be at least `factor` times what `peer` does in `peer_scenario`."""

    scenario: str
    peer: str
    factor: float
    peer_scenario: str = ""

    @property
    def against(self) -> str:
        return self.peer_scenario or self.scenario


RATIOS = (
    Target("L", "stock_drf", 3.5),
    Target("L", "bare_django", 0.60),
    Target("D", "stock_drf", 3.0),
    Target("D", "bare_django", 0.50),
    Target("C", "stock_drf", 1.8),
    Target("C", "bare_django", 0.30),
    Target("L304", "stock_drf", 8, "L"),
    Target("login", "bcrypt", 0.95),
)
MOST_P99 = {"L": 30.0, "D": 20.0, "C": 45.0}  # milliseconds, at the first number of connections


@dataclass(frozen=True)
class Figure:
    """The rounds of one contender in one scenario."""

    rate: float
    p50: float
    p95: float
    p99: float
    errors: int
    spread: float  # (most - least) / median of the rates
    rates: list[float]


def figure(results: list[Result]) -> Figure:
    rates = [result.rate for result in results]
    middle = statistics.median(rates)
    return Figure(
        rate=middle,
        p50=statistics.median(result.p50 for result in results),
        p95=statistics.median(result.p95 for result in results),
        p99=statistics.median(result.p99 for result in results),
        errors=sum(result.errors for result in results),
        spread=(max(rates) - min(rates)) / middle if middle else 0.0,
        rates=rates,
    )


@dataclass(frozen=True)
class Verdict:
    what: str
    wanted: str
    got: str
    passed: bool


Table = dict[str, dict[str, Figure]]  # by scenario, then by contender


@dataclass(frozen=True)
class Run:
    table: Table  # at the first number of connections
    others: dict[int, Table]  # at the further ones
    storm: dict[str, Result] | None
    machine: dict[str, Any]
    options: dict[str, Any]


def ratio(table: Table, target: Target) -> float | None:
    ours = table.get(target.scenario, {}).get("ours")
    peer = table.get(target.against, {}).get(target.peer)
    return ours.rate / peer.rate if ours and peer and peer.rate else None


def verdicts(run: Run) -> list[Verdict]:
    """Return a verdict for each target that this run can judge."""
    return [*ratio_verdicts(run.table), *latency_verdicts(run), *error_verdicts(run)]


def ratio_verdicts(table: Table) -> list[Verdict]:
    found = []
    for target in RATIOS:
        got = ratio(table, target)
        if got is not None:
            peer = TITLES.get(target.peer, "bcrypt alone")
            against = f" ({target.against})" if target.peer_scenario else ""
            found.append(
                Verdict(
                    f"{target.scenario} beside {peer}{against}",
                    f"≥ {target.factor:.2f} ×",
                    f"{got:.2f} ×",
                    got >= target.factor,
                )
            )
    return found


def latency_verdicts(run: Run) -> list[Verdict]:
    found = [
        Verdict(f"{scenario}, p99", f"≤ {most:.0f} ms", f"{ours.p99:.1f} ms", ours.p99 <= most)
        for scenario, most in MOST_P99.items()
        if (ours := run.table.get(scenario, {}).get("ours"))
    ]
    if run.storm:
        calm, meanwhile = run.storm["calm"].p95, run.storm["meanwhile"].p95
        most = MOST_P99["L"]
        got = f"{meanwhile:.1f} ms (alone {calm:.1f})"
        found.append(Verdict("L, p95 while others log in", f"≤ {most:.0f} ms", got, meanwhile <= most))
    return found


def error_verdicts(run: Run) -> list[Verdict]:
    first = run.options["connections"][0]
    found = []
    for connections, table in {first: run.table, **run.others}.items():
        errors = [by_name["ours"].errors for by_name in table.values() if "ours" in by_name]
        if errors:
            number = sum(errors)
            found.append(Verdict(f"errors at {connections} connections", "0", str(number), number == 0))
    return found
