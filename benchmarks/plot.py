"""The table as a picture: one panel for each scenario, one bar for each contender. Plain SVG, for light and dark."""

from xml.sax.saxutils import escape

from benchmarks.contenders import ALL
from benchmarks.figures import TITLES, Figure, Run, Table
from benchmarks.report import BASE, base_of, number

PANEL_WIDTH, BAR, GAP = 470, 16, 6
LABEL, VALUE = 150, 110  # room before and behind the bars
HEAD, MARGIN, COLUMNS = 30, 20, 2
TOP = 46
NAMES = {
    "L": "L – the first page of a list",
    "D": "D – one object",
    "C": "C – create, with two tags",
    "search": "search – a rare word and a common one in turn",
    "L304": "L304 – a list that has not changed",
    "D304": "D304 – an object that has not changed",
    "login": "login – bcrypt, 10 rounds",
}
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .head { font-weight: 600 }
  .mine { font-weight: 600 }
  .paper { fill: #ffffff }
  .ours { fill: #0969da } .peer { fill: #afb8c1 } .limit { fill: none; stroke: #6e7781; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .paper { fill: #0d1117 }
    .ours { fill: #58a6ff } .peer { fill: #4c5561 } .limit { stroke: #8b949e }
  }
"""
LIMITS = {"bare_django", "bcrypt"}  # not contenders in earnest


def bar(name: str, figure: Figure, base: Figure | None, most: float, x: int, y: int) -> list[str]:
    width = max(1.0, figure.rate / most * (PANEL_WIDTH - LABEL - VALUE))
    kind = "ours" if name == "ours" else "limit" if name in LIMITS else "peer"
    weight = ' class="mine"' if name == "ours" else ""
    text = f"{number(figure.rate)}/s"
    if base and base.rate and name != BASE:
        text += f" · {figure.rate / base.rate:.1f} ×"
    middle = y + BAR - 4
    title = escape(TITLES.get(name, "bcrypt alone"))
    return [
        f'<text{weight} x="{x + LABEL - 8}" y="{middle}" text-anchor="end">{title}</text>',
        f'<rect class="{kind}" x="{x + LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>',
        f'<text{weight} x="{x + LABEL + width + 6:.1f}" y="{middle}">{text}</text>',
    ]


def panel_height(by_name: dict[str, Figure]) -> int:
    return HEAD + len(by_name) * (BAR + GAP) + MARGIN


def panel(scenario: str, table: Table, x: int, y: int) -> list[str]:
    by_name, base = table[scenario], base_of(scenario, table)
    parts = [f'<text class="head" x="{x + 10}" y="{y + 16}">{escape(NAMES.get(scenario, scenario))}</text>']
    most = max(figure.rate for figure in by_name.values()) or 1.0
    line = y + HEAD
    for name in (*ALL, "bcrypt"):
        if name in by_name:
            parts += bar(name, by_name[name], base, most, x, line)
            line += BAR + GAP
    return parts


def draw(run: Run) -> str:
    parts: list[str] = []
    y = TOP
    scenarios = list(run.table)
    for start in range(0, len(scenarios), COLUMNS):
        row = scenarios[start : start + COLUMNS]
        for column, scenario in enumerate(row):
            parts += panel(scenario, run.table, MARGIN + column * PANEL_WIDTH, y)
        y += max(panel_height(run.table[scenario]) for scenario in row)
    width = 2 * MARGIN + COLUMNS * PANEL_WIDTH
    connections = run.options["connections"][0]
    title = f"Requests per second, {connections} connections; × is of stock DRF. Dashed: the limit, not a framework"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" role="img">',
            f"<title>{title}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="paper" width="{width}" height="{y}" rx="8"/>',
            f'<text class="title" x="{MARGIN + 10}" y="30">{title}</text>',
            *parts,
            "</svg>\n",
        ]
    )
