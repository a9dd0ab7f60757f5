"""From single measurements to medians, ratios and verdicts."""

import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.contenders import ALL
from benchmarks.load import Result

OURS = ("ours", "ours_uncached")
TITLES = {name: contender.title for name, contender in ALL.items()}


@dataclass(frozen=True)
class Target:
    """`ours` in `scenario` is to be at least `factor` times what `peer` does in `peer_scenario`."""

    scenario: str
    peer: str
    factor: float = 1.0
    peer_scenario: str = ""
    ours: str = "ours_uncached"
    is_goal: bool = False  # where we want to be; a floor is where we must be

    @property
    def against(self) -> str:
        return self.peer_scenario or self.scenario

    @property
    def title(self) -> str:
        peer = TITLES.get(self.peer, "bcrypt alone")
        against = f" ({self.peer_scenario})" if self.peer_scenario else ""
        cache = "" if self.ours == "ours_uncached" else ", cached"
        return f"{'goal: ' if self.is_goal else ''}{self.scenario}{cache} against {peer}{against}"


RATIOS = (
    Target("L", "stock_drf", 3.5),
    Target("D", "stock_drf", 3.0),
    Target("C", "stock_drf", 1.8),
    Target("L304", "stock_drf", 8, "L", ours="ours"),
    Target("D304", "stock_drf", 8, "D", ours="ours"),
    Target("login", "bcrypt", 0.95),
    Target("search", "express"),
    Target("L", "stock_drf", 4.4, is_goal=True),
    Target("L", "stock_drf", 6, ours="ours", is_goal=True),
    Target("D", "stock_drf", 4.5, is_goal=True),
    Target("C", "stock_drf", 2.8, is_goal=True),
    *(
        Target(scenario, peer, is_goal=True)
        for scenario in ("L", "D")
        for peer in ("fastapi_sqlalchemy", "django_ninja", "express")
    ),
    Target("C", "fastapi_sqlalchemy", is_goal=True),
    Target("C", "express", is_goal=True),
)
# Milliseconds, uncached, at the first number of connections.
MAX_P99 = {"L": 30.0, "D": 25.0, "C": 50.0, "search": 60.0}


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
    required: str
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
    ours = table.get(target.scenario, {}).get(target.ours)
    peer = table.get(target.against, {}).get(target.peer)
    return ours.rate / peer.rate if ours and peer and peer.rate else None


def verdicts(run: Run) -> list[Verdict]:
    """Return a verdict for each target that this run can judge."""
    return [*ratio_verdicts(run.table), *latency_verdicts(run), *error_verdicts(run)]


def ratio_verdicts(table: Table) -> list[Verdict]:
    return [
        Verdict(target.title, f"≥ {target.factor:.2f} ×", f"{got:.2f} ×", got >= target.factor)
        for target in RATIOS
        if (got := ratio(table, target)) is not None
    ]


def latency_verdicts(run: Run) -> list[Verdict]:
    results = [
        Verdict(f"{scenario}, p99", f"≤ {limit:.0f} ms", f"{ours.p99:.1f} ms", ours.p99 <= limit)
        for scenario, limit in MAX_P99.items()
        if (ours := run.table.get(scenario, {}).get("ours_uncached"))
    ]
    if run.storm:
        calm, meanwhile = run.storm["calm"].p95, run.storm["meanwhile"].p95
        limit = MAX_P99["L"]
        got = f"{meanwhile:.1f} ms (alone {calm:.1f})"
        results.append(Verdict("L, p95 while others log in", f"≤ {limit:.0f} ms", got, meanwhile <= limit))
    return results


def error_verdicts(run: Run) -> list[Verdict]:
    first = run.options["connections"][0]
    results = []
    for connections, table in {first: run.table, **run.others}.items():
        errors = [by_name[name].errors for by_name in table.values() for name in OURS if name in by_name]
        if errors:
            number = sum(errors)
            results.append(Verdict(f"errors at {connections} connections", "0", str(number), number == 0))
    return results
