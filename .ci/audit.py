"""Check every locked version against the public advisories. Fails on a finding or an unchecked package.

pip-audit exits 0 even if it cannot reach the advisories. This script then prints a line, and with AUDIT=required, as
in the workflow, fails.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
# dev holds base, prod and test; the others are installed into environments of their own.
LOCKS = ("dev", "services", "tools", "browser", "bench", "load", "clients")


class NotDone(Exception):
    """Failure to get a report."""


def audit(lock: str) -> list[dict[str, Any]]:
    command: list[str | Path] = [
        Path(sys.executable).with_name("pip-audit"),
        "--requirement",
        REQUIREMENTS / f"{lock}.txt",
    ]
    command += ["--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages: list[dict[str, Any]] = json.loads(process.stdout)["dependencies"]
    except ValueError as error:
        raise NotDone((process.stderr.strip().splitlines() or ["pip-audit printed nothing"])[-1]) from error
    if all("skip_reason" in package for package in packages):
        raise NotDone("pip-audit found no package")
    return packages


def main() -> int:
    try:
        packages = [package for lock in LOCKS for package in audit(lock)]
    except NotDone as error:
        print(f"dependency audit: NOT DONE, advisories unreachable ({str(error)[:200]})")
        return 1 if os.environ.get("AUDIT") == "required" else 0
    problems = set()
    for package in packages:
        if "skip_reason" in package:
            problems.add(f"{package['name']}: {package['skip_reason']}")
        for advisory in package.get("vulns", []):
            fixed = ", ".join(advisory["fix_versions"]) or "no release"
            problems.add(f"{package['name']} {package['version']}: {advisory['id']}, fixed in {fixed}")
    for problem in sorted(problems):
        print(problem)
    print(f"dependency audit: {len(packages)} packages, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
