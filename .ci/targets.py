"""Everything a change must pass: the make targets of the README, in order (`.ci/run check test`: only these).

Each has a budget of minutes, with room for a loaded machine and for the first installation. A target that takes longer
is ended, and counts as failed. Together the budgets are less than 70 minutes.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

MINUTES = {
    "check": 4,
    "test": 10,
    "test-services": 15,
    "test-backups": 5,
    "test-faults": 12,
    "test-contract": 7,
    "test-clients": 3,
    "test-browser": 3,
    "test-proxy": 3,
    "test-adoption": 6,
}
SUMMARY = re.compile(r"\d+ (passed|failed|error)|^fuzz: ")  # of pytest and of fuzz.py
GRACE_SECONDS = 60


def end(group: int) -> None:
    """Interrupt the target, so that it stops its servers, and kill what is left after a minute."""
    try:
        os.killpg(group, signal.SIGINT)
        time.sleep(GRACE_SECONDS)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(target: str) -> tuple[bool, str]:
    """Run a target and return whether it passed, and a line about it."""
    started, summary, limit = time.monotonic(), "", MINUTES[target] * 60
    process = subprocess.Popen(
        ["make", target], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout is not None
    timer = Timer(limit, end, [process.pid])
    timer.daemon = True
    timer.start()
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
            if SUMMARY.search(line):
                summary = line.strip(" =\n")
        process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
        raise
    finally:
        timer.cancel()
    seconds = time.monotonic() - started
    passed = process.returncode == 0 and seconds < limit
    verdict = "passed" if passed else "over budget" if seconds >= limit else "failed"
    return passed, f"{target:15}{verdict:13}{seconds:5.0f} s of {limit:4} s  {summary}"


def main() -> int:
    os.chdir(Path(__file__).resolve().parent.parent)
    targets = sys.argv[1:] or list(MINUTES)
    if unknown := set(targets) - set(MINUTES):
        sys.exit(f".ci/run knows no {', '.join(sorted(unknown))}, only {', '.join(MINUTES)}")
    lines, passed = [], True
    for target in targets:
        passed, line = run(target)
        lines.append(line)
        if not passed:
            break
    print("", *lines, sep="\n")
    return 0 if passed else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
