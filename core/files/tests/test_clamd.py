"""Scans by the real clamd, with one signature of our own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile

from core.files import scanning
from core.files.scanning import ScannerUnavailable, refuse_infected
from core.tests.ports import free_port
from core.tests.waiting import wait_until
from core.web.errors import FieldError
from core.web.http_client.breaker import Breaker
from core.web.other_services import parse_scanner

pytestmark = [pytest.mark.django_db, pytest.mark.once]

UNPACKED = Path(django_settings.BASE_DIR) / ".venv-clamav"
MALWARE = b"a text that only these tests send"
CONFIGURATION = """
Foreground yes
TCPSocket {port}
TCPAddr 127.0.0.1
DatabaseDirectory {folder}
StreamMaxLength 1M
User {user}
"""


def installed():
    """Return the program and its environment, or None."""
    unpacked = UNPACKED / "usr" / "sbin" / "clamd"
    if unpacked.exists():
        libraries = ":".join(str(path) for path in UNPACKED.glob("usr/lib/*-linux-gnu"))
        return str(unpacked), {**os.environ, "LD_LIBRARY_PATH": libraries}
    program = shutil.which("clamd", path=os.environ["PATH"] + ":/usr/sbin")
    return program and (program, dict(os.environ))


@pytest.fixture(scope="module")
def scanner(tmp_path_factory):
    found = installed()
    if not found:
        pytest.skip("clamd is not installed: make clamav-env, or apt-get install clamav-daemon")
    folder, port = tmp_path_factory.mktemp("clamd"), free_port()
    folder.chmod(0o755)
    (folder / "ours.ndb").write_text(f"Ours.Test:0:*:{MALWARE.hex()}\n")
    configuration = folder / "clamd.conf"
    user = "root" if os.geteuid() == 0 else os.environ.get("USER", "nobody")
    configuration.write_text(CONFIGURATION.format(port=port, folder=folder, user=user))
    log = folder / "log"
    with log.open("wb") as output:
        command = [found[0], "--config-file", str(configuration)]
        process = subprocess.Popen(command, env=found[1], stdout=output, stderr=output)
        try:
            wait_until(
                lambda: b"Self checking" in log.read_bytes() or b"Listening" in log.read_bytes(),
                processes=[process],
                explain=log.read_text,
            )
            chosen = parse_scanner(f"tcp://127.0.0.1:{port}")
            wait_until(
                lambda: scanning.connected(chosen).close() is None, processes=[process], explain=log.read_text
            )
            yield chosen
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(autouse=True)
def _chosen(settings, scanner, monkeypatch):
    settings.UPLOAD_SCANNER = scanner
    monkeypatch.setattr(scanning, "breaker", Breaker(1000, 10))


def test_a_clean_file_is_accepted():
    refuse_infected(SimpleUploadedFile("a.txt", b"Hello " * 50_000), "file")


def test_a_signature_is_found_in_the_middle_of_a_file():
    with pytest.raises(FieldError) as refusal:
        refuse_infected(SimpleUploadedFile("a.txt", b"x" * 100_000 + MALWARE + b"x" * 100_000), "file")

    assert refusal.value.details[0]["code"] == "infected"


def test_a_file_that_is_too_large_for_it_is_refused():
    with pytest.raises(ScannerUnavailable):
        refuse_infected(SimpleUploadedFile("a.txt", b"x" * 3_000_000), "file")
