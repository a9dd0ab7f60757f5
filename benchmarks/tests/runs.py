"""A sample run."""

from benchmarks.figures import Run, figure
from benchmarks.load import Result


def result(rate, p99=10.0, status=0):
    return Result(requests=rate * 10, seconds=10, p50=5.0, p95=8.0, p99=p99, status=status)


def run(**changes):
    table = {
        "L": {
            "ours": [900, 1000, 1100],
            "ours_uncached": [900, 1000, 1100],
            "stock_drf": [250, 200, 300],
            "bare_django": [2000, 2000, 2000],
        },
        "L304": {"ours": [2500, 2500, 2500]},
        "login": {"ours": [29, 29, 29], "ours_uncached": [29, 29, 29], "bcrypt": [30, 30, 30]},
    }
    values = {
        "table": {
            scenario: {name: figure([result(rate) for rate in rates]) for name, rates in by_name.items()}
            for scenario, by_name in table.items()
        },
        "others": {64: {"L": {"ours": figure([result(950, status=2)])}}},
        "storm": {"calm": result(100), "meanwhile": result(50), "logins": result(20)},
        "machine": {
            "date": "2026-01-01",
            "processor": "A & B <fast>",
            "cores": 2,
            "memory_gib": 8,
            "system": "Linux 6",
            "services": {"PostgreSQL": "15.1"},
            "ours": {"Python": "3.11.1"},
        },
        "options": {
            "seconds": 10,
            "rounds": 3,
            "connections": [16, 64],
            "users": 1000,
            "resources": 200,
        },
    }
    return Run(**(values | changes))
