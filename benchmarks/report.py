"""A run as a table in the terminal, as JSON, and as the figures of docs/performance.md."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.contenders import ALL, ROOT
from benchmarks.figures import TITLES, Figure, Run, Table, verdicts

PAGE = ROOT / "docs" / "performance.md"
BEGIN = "<!-- figures: written by `make bench`, do not edit -->"
END = "<!-- end of figures -->"
BASE = "stock_drf"  # what the ratios in the tables are of
KINDS = {"ours": "ours", "python_peers": "the Python peers", "node_peers": "Express"}


class NoPlace(Exception):
    """The page has lost its markers."""


def as_json(run: Run) -> str:
    return json.dumps(asdict(run), indent=1, ensure_ascii=False) + "\n"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def against_base(figure: Figure, scenario: str, table: Table) -> str:
    base = base_of(scenario, table)
    return f"{figure.rate / base.rate:.2f} ×" if base and base.rate else "–"


def base_of(scenario: str, table: Table) -> Figure | None:
    """Return the result of stock DRF, which never responds with 304: there it sends everything again."""
    return table.get(scenario.removesuffix("304"), {}).get(BASE)


def rows(table: Table) -> list[list[str]]:
    """Return the columns scenario, contender, req/s, ratio, p50, p99, spread and errors."""
    lines = []
    for scenario, by_name in table.items():
        for name in (*ALL, "bcrypt"):
            if figure := by_name.get(name):
                times = ["–", "–"] if name == "bcrypt" else [f"{figure.p50:.1f}", f"{figure.p99:.1f}"]
                lines.append(
                    [
                        scenario,
                        TITLES.get(name, "bcrypt alone"),
                        number(figure.rate),
                        against_base(figure, scenario, table),
                        *times,
                        f"{figure.spread:.0%}",
                        str(figure.errors),
                    ]
                )
    return lines


HEADINGS = ["", "", "req/s", "× stock", "p50 ms", "p99 ms", "spread", "errors"]


def aligned(lines: list[list[str]]) -> str:
    """Align a table for the terminal: names left, numbers right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def terminal(run: Run) -> str:
    first = run.options["connections"][0]
    parts = []
    for connections, table in {first: run.table, **run.others}.items():
        parts.append(f"\n{connections} connections\n" + aligned([HEADINGS, *rows(table)]))
    judged = [
        [verdict.what, "pass" if verdict.passed else "MISS", verdict.got, verdict.required]
        for verdict in verdicts(run)
    ]
    return "\n".join([*parts, "\nTargets", aligned(judged)])


# --- docs/performance.md --------------------------------------------------------------------------


def markdown_table(headings: list[str], lines: list[list[str]], names: int) -> str:
    marks = ["---" if column < names else "---:" for column in range(len(headings))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, marks, *lines))


def overview(table: Table) -> str:
    """Return one line for each contender: requests per second, and their ratio to stock DRF."""
    scenarios = list(table)
    lines = []
    for name in (*ALL, "bcrypt"):
        cells = [
            f"{number(figure.rate)} ({against_base(figure, scenario, table)})" if figure else "–"
            for scenario in scenarios
            for figure in [table[scenario].get(name)]
        ]
        if any(cell != "–" for cell in cells):
            title = TITLES.get(name, "bcrypt alone")
            lines.append([f"**{title}**" if name == "ours" else title, *cells])
    return markdown_table(["requests per second", *scenarios], lines, 1)


def versions(described: dict[str, Any]) -> str:
    services = ", ".join(f"{name} {version}" for name, version in described["services"].items())
    lines = [
        f"- {described['cores']} cores of {described['processor']}, {described['memory_gib']} GiB, "
        f"{described['system']}, {described['date']}",
        f"- services, shared by all: {services}",
    ]
    for kind, title in KINDS.items():
        if kind in described:
            packages = ", ".join(f"{name} {version}" for name, version in described[kind].items())
            lines.append(f"- {title}: {packages}")
    return "\n".join(lines)


def markdown(run: Run) -> str:
    chosen = run.options
    first = chosen["connections"][0]
    judged = [
        [verdict.what, verdict.required, verdict.got, "pass" if verdict.passed else "**miss**"]
        for verdict in verdicts(run)
    ]
    parts = [
        "### Targets",
        markdown_table(["", "target", "measured", ""], judged, 1),
        "![Requests per second of each contender](../benchmarks/results/latest.svg)",
        f"### Everybody, {first} connections",
        f"The median of {chosen['rounds']} rounds of {chosen['seconds']} seconds, in brackets that of stock DRF’s. "
        f"{chosen['users']:,} users × {chosen['resources']} resources.",
        overview(run.table),
        "Latency, the spread of the rounds (largest less smallest, of the median), and errors:",
        markdown_table(HEADINGS, rows(run.table), 2),
    ]
    for connections, table in run.others.items():
        parts += [f"### {connections} connections, one round", markdown_table(HEADINGS, rows(table), 2)]
    parts += ["### Machine and versions", versions(run.machine)]
    return "\n\n".join(parts)


def rewrite(page: Path, run: Run) -> None:
    """Write the figures into the page. Raises NoPlace if the page has no place for them."""
    text = page.read_text()
    place = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if len(place.findall(text)) != 1:
        raise NoPlace(f"{page.name} needs exactly one pair of the lines {BEGIN} and {END}")
    figures = f"{BEGIN}\n\n{markdown(run)}\n\n{END}"
    page.write_text(place.sub(lambda _match: figures, text))
