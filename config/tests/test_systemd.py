"""deploy/systemd: units that systemd accepts, with little left to an attacker, and variables that exist."""

import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser

import pytest

from config.tests.deployed import FOLDER, unknown
from core.web.management.commands.serve import DRAIN_SECONDS

UNITS = FOLDER / "systemd"
MAX_EXPOSURE = 20  # 2.0 of 10, by `systemd-analyze security`
pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not UNITS.exists(), reason="a product may have removed it"),
]
SERVICES = sorted(path.stem for path in UNITS.glob("*.service"))
needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is missing: apt-get install systemd"
)


def unit(path):
    parser = ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str
    parser.read(path)
    return parser


@pytest.fixture
def installed(tmp_path):
    """Return a copy of the units in which the programs of /srv/app are there."""
    folder = tmp_path / "units"
    shutil.copytree(UNITS, folder)
    (tmp_path / "app").mkdir()
    for name in ("python", "celery"):
        program = tmp_path / "app" / ".venv" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.symlink_to(sys.executable)
    for path in folder.rglob("*.*"):
        if path.is_file():
            path.write_text(path.read_text().replace("/srv/app", str(tmp_path / "app")))
    return folder


def analyze(folder, *arguments):
    return subprocess.run(
        ["systemd-analyze", *arguments],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@needs_systemd
def test_systemd_accepts_the_units(installed):
    names = [str(path) for pattern in ("*.service", "*.timer") for path in sorted(installed.glob(pattern))]
    done = analyze(installed, "verify", *names)

    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("service", SERVICES)
def test_little_is_left_to_an_attacker(installed, service):
    done = analyze(
        installed, "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", f"{service}.service"
    )

    assert done.returncode == 0, done.stdout


def test_the_variables_are_those_of_the_settings():
    hardening = (UNITS / "app-.service.d" / "hardening.conf").read_text()
    files = dict(re.findall(r"^Environment=([A-Z_]+)=%d/(\w+)$", hardening, re.MULTILINE))
    given = re.findall(r"^([A-Z_]+)=", (UNITS / "environment.example").read_text(), re.MULTILINE)

    assert unknown([*files, *given]) == []
    loaded = re.findall(r"^LoadCredential=(\w+):/etc/app/secrets/\1$", hardening, re.MULTILINE)
    assert set(files.values()) == set(loaded)


def test_web_may_stop_for_as_long_as_its_server_does():
    web = unit(UNITS / "app-web.service")["Service"]

    assert int(web["TimeoutStopSec"].removesuffix("s")) > DRAIN_SECONDS
    assert web["KillMode"] == "mixed"
