"""Start Locust for `make load`, whose variables docs/performance.md describes.

Exit status: 0; 1 where the server failed or was too slow, or nothing was measured; 2 where the run was refused.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.load_test import options
from benchmarks.load_test.options import Options, Refused

ROOT = Path(__file__).resolve().parent.parent.parent
STOP_SECONDS = 30  # in which the last requests end


def arguments(chosen: Options) -> list[str]:
    report = chosen.report.resolve()
    return [
        *(sys.executable, "-m", "locust", "--locustfile", str(Path(__file__).with_name("locustfile.py"))),
        *("--headless", "--only-summary", "--host", chosen.host),
        *("--users", str(chosen.users), "--spawn-rate", str(chosen.spawn_rate)),
        *("--run-time", f"{chosen.seconds}s", "--stop-timeout", str(STOP_SECONDS)),
        *("--html", str(report / "report.html"), "--csv", str(report / "locust")),
        options.SCENARIOS[chosen.scenario],
    ]


def main() -> int:
    try:
        chosen = options.read(os.environ, datetime.now(UTC))
    except Refused as error:
        print(f"load: {error}", file=sys.stderr)
        return 2
    chosen.report.mkdir(parents=True, exist_ok=True)
    # The process reads the same variables again; those that this run has chosen itself are added.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("LOCUST_")}
    environment |= {"REPORT": str(chosen.report.resolve())}
    try:
        return subprocess.run(arguments(chosen), cwd=ROOT, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
