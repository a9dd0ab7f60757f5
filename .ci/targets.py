"""Everything a change must pass: the make targets of docs/testing.md, in order (`.ci/run check test`: only these).

Each has a limit of minutes, twice to three times what a quiet machine with two cores takes, so that what hangs is
ended. All together have TOTAL_MINUTES. A target that takes longer is ended, and counts as failed.
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
    "check": 8,
    "test": 24,
    "test-services": 30,
    "test-backups": 14,
    "test-faults": 28,
    "test-contract": 16,
    "test-clients": 6,
    "test-browser": 9,
    "test-proxy": 10,
    "test-adoption": 14,
    "test-scaffold": 14,
    "test-previous": 14,
}
TOTAL_MINUTES = 86
# They call the example, which `manage.py setup --remove-example` takes away.
OF_EXAMPLE = {
    *("test-faults", "test-clients", "test-browser", "test-proxy", "test-adoption", "test-scaffold"),
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


def run(target: str, deadline: float) -> tuple[bool, str]:
    """Run a target and return whether it passed, and a line about it. `deadline` is that of all targets."""
    started, summary = time.monotonic(), ""
    limit = max(min(MINUTES[target] * 60, deadline - started), 0)
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
    verdict = "passed" if passed else "too slow" if seconds >= limit else "failed"
    return passed, f"{target:15}{verdict:13}{seconds:5.0f} s of {limit:4.0f} s  {summary}"


def main() -> int:
    os.chdir(Path(__file__).resolve().parent.parent)
    targets = sys.argv[1:] or list(MINUTES)
    if unknown := set(targets) - set(MINUTES):
        sys.exit(f".ci/run knows no {', '.join(sorted(unknown))}, only {', '.join(MINUTES)}")
    lines, passed, deadline = [], True, time.monotonic() + TOTAL_MINUTES * 60
    for target in targets:
        if target in OF_EXAMPLE and not Path("resources").is_dir():
            lines.append(f"{target:15}left out: it calls the example, which this product does not have")
            continue
        passed, line = run(target, deadline)
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
