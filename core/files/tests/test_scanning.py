"""Scans of uploads: what is found, and a scanner that is away, silent or responds with something else."""

import time

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from core.audit.models import AuditEvent
from core.files import scanning
from core.files.scanning import ScannerUnavailable, refuse_infected
from core.tests.interpreter import python
from core.tests.ports import free_port
from core.tests.scanner import MALWARE, running_scanner
from core.web.errors import FieldError
from core.web.http_client.breaker import Breaker
from core.web.other_services import parse_scanner

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _closed_circuit(monkeypatch):
    monkeypatch.setattr(scanning, "breaker", Breaker(1000, 10))


@pytest.fixture(params=["tcp", "unix"])
def scanner(request, tmp_path, settings):
    with running_scanner(tmp_path / "clamd.ctl" if request.param == "unix" else None) as running:
        settings.UPLOAD_SCANNER = parse_scanner(running.url)
        yield running


def upload(content=b"Hello"):
    return SimpleUploadedFile("a.txt", content)


def test_a_clean_file_is_accepted_and_is_at_its_beginning(scanner):
    file = upload(b"a" * 300_000)
    file.read(10)
    refuse_infected(file, "file")

    assert scanner.scanned == [b"a" * 300_000]
    assert file.tell() == 0


def test_malware_is_refused_and_audited(scanner):
    with pytest.raises(FieldError) as refusal:
        refuse_infected(upload(b"x" * 70_000 + MALWARE), "file")

    [detail] = refusal.value.details
    assert (refusal.value.status, detail["field"], detail["code"]) == (400, "file", "infected")
    event = AuditEvent.objects.get(event="file.infected")
    assert event.changes == {"filename": [None, "a.txt"], "signature": [None, "Test.Malware"]}


@pytest.mark.parametrize(
    "reply",
    [
        *(None, b"\0", b"stream: OK", b"OK\0", b"INSTREAM size limit exceeded. ERROR\0"),
        *(b"stream: Can't allocate memory ERROR\0", b"a" * 10_000, b"\xff\xfe\0"),
    ],
)
def test_another_response_refuses_the_file(scanner, reply):
    scanner.answer = lambda _content: reply

    with pytest.raises(ScannerUnavailable) as refusal:
        refuse_infected(upload(), "file")
    assert (refusal.value.status, refusal.value.code) == (503, "SERVICE_UNAVAILABLE")
    assert refusal.value.retry_after


def test_a_silent_scanner_is_given_up(scanner, monkeypatch):
    monkeypatch.setattr(scanning, "TOTAL_SECONDS", 0.3)
    scanner.answer = lambda _content: scanner.stopped.wait(20) and None
    started = time.monotonic()
    with pytest.raises(ScannerUnavailable):
        refuse_infected(upload(), "file")

    assert time.monotonic() - started < 5


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:{port}", "unix:/nowhere/clamd.ctl"])
def test_a_scanner_that_is_away_refuses_the_file(settings, url):
    settings.UPLOAD_SCANNER = parse_scanner(url.format(port=free_port()))

    with pytest.raises(ScannerUnavailable):
        refuse_infected(upload(), "file")


def test_after_two_failures_the_scanner_is_not_asked_for_a_while(scanner, monkeypatch):
    monkeypatch.setattr(scanning, "breaker", Breaker(2, 10))
    scanner.answer = lambda _content: None
    for _ in range(5):
        with pytest.raises(ScannerUnavailable):
            refuse_infected(upload(), "file")
    assert len(scanner.scanned) == 2

    scanner.answer = lambda _content: b"stream: OK\0"
    scanning.breaker.closed_at = 0.0  # its seconds are over
    refuse_infected(upload(), "file")
    refuse_infected(upload(), "file")
    assert len(scanner.scanned) == 4


def test_a_file_that_the_scanner_fails_on_keeps_it_from_nobody(scanner, monkeypatch):
    monkeypatch.setattr(scanning, "breaker", Breaker(2, 10))
    scanner.answer = lambda _content: b"stream: Can't read file ERROR\0"
    for _ in range(5):
        with pytest.raises(ScannerUnavailable):
            refuse_infected(upload(), "file")
    scanner.answer = lambda _content: b"stream: OK\0"
    refuse_infected(upload(), "file")

    assert len(scanner.scanned) == 6


def test_without_a_scanner_nothing_is_scanned(scanner, settings):
    settings.UPLOAD_SCANNER = None
    refuse_infected(upload(MALWARE), "file")

    assert scanner.scanned == []


@pytest.mark.parametrize(
    "value",
    ["clamd", "/run/clamd.ctl", "unix:", "unix:run", "unix://host/a", "tcp://", "tcp://a:b", "tcp://a/b"],
)
def test_a_wrong_setting_stops_the_start(value):
    done = python("import config.settings", CLAMAV_SOCKET=value)

    assert done.returncode == 1
    assert "CLAMAV_SOCKET" in done.stderr
