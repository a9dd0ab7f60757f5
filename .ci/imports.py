"""Check that imports run one way: the contracts of .importlinter, with the apps of config/local_apps.py added."""

import subprocess
import sys
import tempfile
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from config.local_apps import LOCAL_APPS  # noqa: E402

APPS, INSIDE = "importlinter:contract:apps", "importlinter:contract:inside"


def main() -> int:
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter")
    added = "\n".join(LOCAL_APPS)
    contracts["importlinter"]["root_packages"] += f"\n{added}"
    contracts[INSIDE]["containers"] += f"\n{added}"
    # One layer, in which they may import each other.
    layers = [
        " : ".join(LOCAL_APPS) if name == "(local apps)" else name
        for name in contracts[APPS]["layers"].split("\n")
    ]
    contracts[APPS]["layers"] = "\n".join(layers)
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
        contracts.write(file)
        file.flush()
        linter = Path(sys.executable).with_name("lint-imports")
        return subprocess.run([linter, "--config", file.name], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
