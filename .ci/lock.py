"""Write requirements/*.txt from requirements/*.in (`make lock`), or check them (`--check`).

The check compares checksums and does not resolve again: resolving needs the network, and a wheel
uploaded later for a version already locked would fail a change that never touched a dependency.
"""

import argparse
import hashlib
import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"

# Each lock, and the .in files it is made from. The first four hold one another, so they must agree
# on every version: dev, which sees all of them, is resolved first and constrains the others.
SOURCES = {
    "dev": ("base", "prod", "test", "dev"),
    "test": ("base", "prod", "test"),
    "prod": ("base", "prod"),
    "base": ("base",),
    "services": ("services",),
    "tools": ("tools",),
    "bench": ("bench",),
    "load": ("load",),
    "clients": ("clients",),
    "browser": ("browser",),
    "next": ("base", "prod", "test", "next"),
}
# next.in overrides the requirements of test.in, for a newer Python.
OVERRIDDEN = {"next": "test"}
PYTHONS = {"next": "3.12"}
CHAIN = ("base", "prod", "test", "dev")


def digest(name: str) -> str:
    """Return a hash of the requirements of a lock, without comments and spaces."""
    lines = []
    for source in SOURCES[name]:
        for line in (REQUIREMENTS / f"{source}.in").read_text().splitlines():
            requirement = re.split(r"\s#|^#", line, maxsplit=1)[0].strip()
            if requirement:
                lines.append(requirement)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def pins(name: str) -> set[str]:
    """Return the `package==version ; marker` lines of a lock."""
    return set(re.findall(r"(?m)^(\S+==.*?) \\$", (REQUIREMENTS / f"{name}.txt").read_text()))


def write(upgrade: bool) -> None:
    if shutil.which("uv") is None:
        sys.exit("uv is missing, which resolves requirements: `make lock` installs it")
    for name in SOURCES:
        source = OVERRIDDEN.get(name, name)
        command = [
            "uv",
            "pip",
            "compile",
            f"{source}.in",
            "--output-file",
            f"{name}.txt",
            "--quiet",
            "--no-strip-extras",
        ]
        command += ["--universal", "--python-version", PYTHONS.get(name, "3.11")]
        command += ["--generate-hashes", "--no-emit-index-url"]
        command += ["--custom-compile-command", f"make lock  # sources: {digest(name)}"]
        if name in CHAIN and name != "dev":
            command += ["--constraints", "dev.txt"]
        if name in OVERRIDDEN:
            command += ["--overrides", f"{name}.in"]
        if upgrade:
            command += ["--upgrade"]
        if subprocess.run(command, cwd=REQUIREMENTS, check=False).returncode:
            sys.exit(f"requirements/{name}.txt was not written: see the message of uv")


def problems() -> list[str]:
    errors = []
    for name in SOURCES:
        text = (REQUIREMENTS / f"{name}.txt").read_text()
        if f"# sources: {digest(name)}" not in text:
            errors.append(f"requirements/{name}.txt was made from other requirements: run `make lock`")
        if re.search(r"://| @ |^-|^\S*/", text, re.MULTILINE):
            errors.append(
                f"requirements/{name}.txt names a host, an option or a path: only pins belong there"
            )
    for small, large in itertools.pairwise(CHAIN):
        if not pins(small) <= pins(large):
            errors.append(f"requirements/{large}.txt does not hold {small}.txt as it is: run `make lock`")
    return errors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only check whether the locks match")
    parser.add_argument("--upgrade", action="store_true", help="take newer versions within the bounds")
    options = parser.parse_args()
    if not options.check:
        write(options.upgrade)
    errors = problems()
    print("\n".join(errors) if errors else f"locks: {len(SOURCES)} match their requirements")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
