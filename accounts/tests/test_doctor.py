"""`manage.py doctor`: each finding names its cure."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from aiosmtpd.controller import Controller
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.management.commands import doctor
from config.tests.processes import Sink
from core.db import owner_versions, triggers
from core.outbox.models import Heartbeat, OutboxMessage
from core.tests.factories import JobFactory
from core.tests.interpreter import django_python
from core.tests.ports import free_port
from core.tests.scanner import running_scanner
from core.web import health
from core.web.other_services import parse_scanner

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("disk")]


def findings(*options):
    """Run the command; return {name: [(status, text, cure)]}, and whether it failed."""
    output, failed = StringIO(), False
    try:
        call_command("doctor", "--json", *options, stdout=output)
    except CommandError as error:
        failed = error.returncode == 1
    by_name = {}
    for one in json.loads(output.getvalue())["findings"]:
        by_name.setdefault(one["name"], []).append((one["status"], one["text"], one["cure"]))
    return by_name, failed


@pytest.fixture(autouse=True)
def _programs(db):
    """Let worker and beat run."""
    for program in Heartbeat.Program:
        Heartbeat.objects.create(program=program, host="a", beat_at=timezone.now())


@pytest.fixture
def mail_server(settings):
    sink = Sink()
    controller = Controller(sink, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
    settings.EMAIL_BACKEND = "core.outbox.mail.SMTPBackend"
    yield sink
    controller.stop()


def test_a_good_installation_has_no_failure(settings, mail_server):
    by_name, failed = findings()

    assert not failed
    statuses = {name: {status for status, _text, _cure in found} for name, found in by_name.items()}
    assert {name for name, found in statuses.items() if found != {"ok"}} <= {
        *("settings", "kernel", "backups", "connections"),  # of this machine
    }
    assert {
        "database",
        "cache",
        "broker",
        "migrations",
        "triggers",
        "outbox",
        "jobs",
        "storage",
        "mail",
    } <= set(by_name)


def test_without_json_each_line_is_followed_by_its_cure():
    JobFactory(due_at=timezone.now() - timedelta(hours=1))
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("doctor", stdout=output)

    lines = output.getvalue().splitlines()
    [number] = [number for number, line in enumerate(lines) if line.startswith("failed   jobs")]
    assert lines[number + 1].strip().startswith("→ Start ")


def test_work_that_waits_shows_that_no_worker_runs():
    for minutes in (2, 30):
        OutboxMessage.objects.create(kind="x", due_at=timezone.now() - timedelta(minutes=minutes))
    by_name, failed = findings()

    assert failed
    [(status, text, cure)] = by_name["outbox"]
    assert (status, text.partition(",")[0]) == ("failed", "2 wait for a worker")
    assert "Start" in cure


def test_messages_that_failed_are_a_warning():
    OutboxMessage.objects.create(kind="x", status="failed", finished_at=timezone.now())
    by_name, failed = findings()

    assert not failed
    assert [status for status, _text, _cure in by_name["outbox"]] == ["ok", "warning"]


def test_a_missing_trigger_is_named():
    health.migrated.clear()  # as in a process that has just started
    triggers.remove(connection, owner_versions.owner_version_triggers)
    by_name, failed = findings()

    assert failed
    assert all("owner_version" in text for _status, text, _cure in by_name["triggers"])
    assert {cure for _status, _text, cure in by_name["triggers"]} == {
        "Run `manage.py migrate`, which installs it."
    }


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no server")
@pytest.mark.parametrize(("free", "status"), [(0, "ok"), (100_000, "warning")])
def test_a_server_with_few_free_connections_is_a_warning(monkeypatch, free, status):
    monkeypatch.setattr(doctor, "FREE_CONNECTIONS", free)
    by_name, _failed = findings()

    [(found, text, cure)] = by_name["connections"]
    used, allowed = (int(word) for word in text.split() if word.isdigit())
    assert (found, "max_connections" in cure) == (status, status == "warning")
    assert 1 <= used <= allowed


def test_a_storage_that_cannot_be_written_is_a_failure(disk):
    disk.folder.touch()
    by_name, failed = findings()

    assert failed
    [(status, _text, cure)] = by_name["storage"]
    assert (status, "MEDIA_ROOT" in cure) == ("failed", True)


def test_an_email_is_sent_on_request(mail_server):
    by_name, failed = findings("--send", "ann@example.com")

    assert not failed
    assert mail_server.next_email()["To"] == "ann@example.com"
    assert by_name["mail"][0][0] == "ok"


@pytest.mark.parametrize("address", ["ann@example.com\nBcc: x@example.com", "a, b@example.com"])
def test_an_address_that_is_none_is_a_finding_among_the_others(mail_server, address):
    by_name, failed = findings("--send", address)

    assert failed
    [(status, _text, cure)] = by_name["mail"]
    assert (status, "--send" in cure) == ("failed", True)
    assert "proxies" in by_name


def test_a_mail_server_that_refuses_is_a_failure(settings):
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    settings.EMAIL_BACKEND = "core.outbox.mail.SMTPBackend"
    by_name, failed = findings()

    assert failed
    assert "EMAIL_PORT" in by_name["mail"][0][2]


@pytest.mark.parametrize(
    ("proxies", "header", "status", "part"),
    [
        (0, "203.0.113.9", "ok", "counts for nothing"),
        (1, "203.0.113.9", "ok", "203.0.113.9"),
        (2, "198.51.100.1, 203.0.113.9, 10.0.0.1", "ok", "203.0.113.9"),
        (2, "203.0.113.9", "failed", "names no client"),
    ],
)
def test_the_address_behind_proxies_is_shown(settings, proxies, header, status, part):
    settings.TRUSTED_PROXIES = proxies
    by_name, _failed = findings("--forwarded-for", header)

    assert by_name["proxies"][0][0] == status
    assert part in by_name["proxies"][0][1]


def test_a_database_that_refuses_is_named_and_the_other_checks_go_on():
    done = django_python(
        "from django.core.management import call_command; call_command('doctor')",
        DATABASE_URL=f"postgres://app:app@127.0.0.1:{free_port()}/app",
        REDIS_URL="",
        CELERY_BROKER_URL="",
    )

    assert done.returncode == 1
    assert "failed   database" in done.stdout
    assert "ok       storage" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_scanner_scans_a_file_of_the_largest_size(settings):
    with running_scanner() as scanner:
        settings.UPLOAD_SCANNER = parse_scanner(scanner.url)
        found, _failed = findings()
        assert found["scanner"][0][0] == "ok"
        assert [len(content) for content in scanner.scanned] == [settings.MAX_UPLOAD_BYTES]
        scanner.answer = lambda _content: b"INSTREAM size limit exceeded. ERROR\0"
        found, failed = findings()

    assert failed
    [(status, _text, cure)] = found["scanner"]
    assert status == "failed"
    assert "StreamMaxLength" in cure
