import json
import secrets
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.core.checks import run_checks
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.mail import EmailMessage, get_connection
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connection
from django.http import HttpRequest
from django.utils import timezone

from core.backups.findings import backup_findings
from core.db.replica_health import replica_findings
from core.files.scanning import signature_in
from core.jobs.models import Job
from core.outbox.heartbeats import LATE as LATE_HEARTBEAT
from core.outbox.heartbeats import ages
from core.outbox.models import Heartbeat, OutboxMessage
from core.web import health
from core.web.client_address import FORWARDED_FOR, client_ip

OK, WARNING, FAILED = "ok", "warning", "failed"
LATE = timedelta(minutes=1)  # after which a due row shows that no worker runs
MAX_CLOCK_SECONDS = 2.0
FREE_CONNECTIONS = 10  # for migrate, a backup, psql
# Of all databases of the server. Roles without privileges may read it too.
CONNECTIONS = """
    SELECT sum(numbackends)::int, current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0)
    FROM pg_stat_database
"""
MIGRATE_REQUESTS = Path("/proc/sys/net/ipv4/tcp_migrate_req")

CURES = {
    "database": "Check DATABASE_URL, and that the server runs and takes writes.",
    "cache": "Check REDIS_URL, and that the server runs and takes writes.",
    "broker": "Check CELERY_BROKER_URL, and that the server runs.",
    "migrations": "Run `manage.py migrate`.",
}
STARTS = {
    "worker": "Start `celery -A config worker`.",
    "beat": "Start `celery -A config beat`.",
    "schedule": "Start `manage.py serve`, which does this work where there is no broker.",
}


@dataclass(frozen=True)
class Finding:
    """The result of one check. `cure` is what to do, empty for the status ok."""

    name: str
    status: str
    text: str
    cure: str = ""


class Command(BaseCommand):
    help = "Check every part of this installation, and print the cure of what is wrong. Exits with 1 if a check failed."
    requires_system_checks: Any = ()  # they are among the checks

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--send", metavar="ADDRESS", help="send an email to this address")
        parser.add_argument(
            "--forwarded-for", metavar="HEADER", help="print which address this X-Forwarded-For stands for"
        )

    def handle(self, *, send: str | None, forwarded_for: str | None, **options: Any) -> None:
        findings = list(findings_of(lambda: check_mail(send), lambda: check_proxies(forwarded_for)))
        if options["json"]:
            worst = max(findings, key=lambda one: (OK, WARNING, FAILED).index(one.status)).status
            self.stdout.write(json.dumps({"status": worst, "findings": [asdict(one) for one in findings]}))
        else:
            for one in findings:
                self.stdout.write(f"{one.status:8} {one.name:12} {one.text}")
                if one.cure:
                    self.stdout.write(f"{'':21} → {one.cure}")
        if any(one.status == FAILED for one in findings):
            raise CommandError("Something failed.", returncode=1)


def findings_of(*others: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield the findings of all checks. Without a database those that need it are left out."""
    has_database = True
    for name, check in health.CHECKS.items():
        if name == "migrations" and not has_database:
            continue
        result = health.measured(check)
        status = OK if result["status"] == OK else FAILED
        has_database = has_database and (name != "database" or status == OK)
        yield Finding(
            name, status, f"{result['status']}, {result['latencyMs']} ms", "" if status == OK else CURES[name]
        )
    of_database = (
        (check_triggers, check_work, check_heartbeats, check_clock, check_connections) if has_database else ()
    )
    for check_other in (*of_database, check_settings, check_storage, check_scanner, check_kernel, *others):
        yield from check_other()
    yield from (Finding("replica", *each) for each in replica_findings())
    yield from (Finding("backups", *each) for each in backup_findings())


def check_triggers() -> Iterator[Finding]:
    messages = run_checks(tags=["migrations"], databases=[DEFAULT_DB_ALIAS])
    for message in messages:
        yield Finding("triggers", FAILED, str(message.msg), str(message.hint))
    if not messages:
        yield Finding("triggers", OK, "all are installed")


def has_table(model: Any) -> bool:
    """Return False while migrations are pending, which is a finding of its own."""
    return model._meta.db_table in connection.introspection.table_names()


def check_work() -> Iterator[Finding]:
    """Look for a worker by its work: rows that are due and that nobody takes."""
    if not has_table(OutboxMessage):
        return
    start = STARTS["worker" if settings.CELERY_BROKER_URL else "schedule"]
    for name, rows in (("outbox", OutboxMessage.objects.due()), ("jobs", Job.objects.due())):
        late = rows.filter(due_at__lt=timezone.now() - LATE)
        oldest = late.order_by("due_at").first()
        if oldest is None:
            yield Finding(name, OK, "nothing waits for a worker")
        else:
            text = f"{late.count()} wait for a worker, the oldest since {oldest.due_at:%Y-%m-%d %H:%M:%S} UTC"
            yield Finding(name, FAILED, text, start)
    failed = OutboxMessage.objects.filter(
        status=OutboxMessage.Status.FAILED, finished_at__gt=timezone.now() - timedelta(days=1)
    ).count()
    if failed:
        text = f"{failed} could not be delivered within the last day"
        yield Finding("outbox", WARNING, text, "Look at their errors in the admin, and retry them there.")


def check_heartbeats() -> Iterator[Finding]:
    if not has_table(Heartbeat):
        return
    last = ages()
    # Without a broker the web server follows the schedule, and its heartbeat is that of beat.
    programs = {"worker": "worker", "beat": "beat"} if settings.CELERY_BROKER_URL else {"schedule": "beat"}
    for name, program in programs.items():
        age = last.get(program)
        text = (
            f"last heartbeat {age.total_seconds():.0f} s ago"
            if age is not None
            else "no heartbeat within a day"
        )
        if age is not None and age <= LATE_HEARTBEAT:
            yield Finding(name, OK, text)
            continue
        yield Finding(name, FAILED if settings.CELERY_BROKER_URL else WARNING, text, STARTS[name])


def check_clock() -> Iterator[Finding]:
    if connection.vendor == "sqlite":
        return  # the same clock
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        seconds = abs((cursor.fetchone()[0] - timezone.now()).total_seconds())
    text = f"{seconds:.1f} s between this machine and the database"
    if seconds <= MAX_CLOCK_SECONDS:
        yield Finding("clock", OK, text)
    else:
        yield Finding("clock", FAILED, text, "Let both machines follow a time server (NTP).")


def check_connections() -> Iterator[Finding]:
    if connection.vendor == "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute(CONNECTIONS)
        used, allowed = cursor.fetchone()
    text = f"{used} of {allowed} connections to the database server are open"
    if allowed - used >= FREE_CONNECTIONS:
        yield Finding("connections", OK, text)
    else:
        cure = "Lower --threads of `serve`, or raise max_connections (docs/operations.md)."
        yield Finding("connections", WARNING, text, cure)


def check_settings() -> Iterator[Finding]:
    """Report what `check --deploy` does, where DEBUG is off."""
    if settings.DEBUG:
        yield Finding(
            "settings", WARNING, "DEBUG is on", "Set DEBUG=false on a server that others can reach."
        )
    of_django = run_checks(include_deployment_checks=not settings.DEBUG)
    messages = [message for message in of_django if not message.is_silenced()]
    for message in messages:
        status = FAILED if message.is_serious() else WARNING
        yield Finding("settings", status, f"{message.id}: {message.msg}", str(message.hint or ""))
    if not messages and not settings.DEBUG:
        yield Finding("settings", OK, "`check --deploy` has no objection")


def check_storage() -> Iterator[Finding]:
    content = secrets.token_bytes(64)
    try:
        name = default_storage.save(f"doctor-{secrets.token_hex(8)}", ContentFile(content))
        try:
            with default_storage.open(name) as file:
                same = file.read() == content
        finally:
            default_storage.delete(name)
    except Exception as error:  # each storage has errors of its own
        cure = "Check MEDIA_ROOT or the bucket's variables, the permissions and the free space."
        yield Finding("storage", FAILED, f"{type(error).__name__}: {error}"[:300], cure)
        return
    cure = "" if same else "Check that the storage returns what was stored."
    yield Finding("storage", OK if same else FAILED, "a file was written, read and deleted", cure)


def check_scanner() -> Iterator[Finding]:
    """Scan a file of the largest size that may be uploaded."""
    scanner = settings.UPLOAD_SCANNER
    if scanner is None:
        return
    with tempfile.TemporaryFile() as file:
        file.truncate(settings.MAX_UPLOAD_BYTES)
        try:
            signature_in(file, scanner)
        except (OSError, ValueError) as error:
            cure = "Check CLAMAV_SOCKET, that clamd runs, and that its StreamMaxLength is not below MAX_UPLOAD_MB."
            yield Finding("scanner", FAILED, f"{scanner}: {type(error).__name__}: {error}"[:300], cure)
            return
    yield Finding("scanner", OK, f"{scanner} scanned a file of {settings.MAX_UPLOAD_MB} MiB")


def check_kernel() -> Iterator[Finding]:
    """Look for the setting without which a worker that is replaced resets connections that wait for it."""
    if MIGRATE_REQUESTS.exists() and MIGRATE_REQUESTS.read_text().strip() == "0" and not settings.DEBUG:
        cure = "Set it: `sysctl -w net.ipv4.tcp_migrate_req=1` (docs/deployment.md)."
        yield Finding("kernel", WARNING, "net.ipv4.tcp_migrate_req is 0", cure)


def check_mail(address: str | None) -> Iterator[Finding]:
    if not settings.EMAIL_HOST:
        status = OK if settings.DEBUG else WARNING
        yield Finding(
            "mail",
            status,
            f"no server: {settings.DELIVERING_EMAIL_BACKEND}",
            "" if settings.DEBUG else "Set EMAIL_HOST.",
        )
        return
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    backend = get_connection()
    try:
        backend.open()
        if address is not None:
            subject = f"{settings.PRODUCT_NAME}: this is a test"
            EmailMessage(subject, "Sent by `manage.py doctor`.", to=[address], connection=backend).send()
    except ValueError as error:
        yield Finding("mail", FAILED, f"{server}: {error}"[:300], "Give --send one email address.")
        return
    except (OSError, SMTPException) as error:
        cure = "Check EMAIL_HOST, EMAIL_PORT, EMAIL_USE_TLS, EMAIL_USE_SSL, the user and the password."
        yield Finding("mail", FAILED, f"{server}: {type(error).__name__}: {error}"[:300], cure)
        return
    finally:
        backend.close()
    yield Finding("mail", OK, f"{server} {'took an email' if address else 'accepts the log-in'}")


def check_proxies(header: str | None) -> Iterator[Finding]:
    if header is None or not settings.TRUSTED_PROXIES:
        known = f"TRUSTED_PROXIES is {settings.TRUSTED_PROXIES}"
        text = "try it with --forwarded-for" if settings.TRUSTED_PROXIES else "the header counts for nothing"
        yield Finding("proxies", OK, f"{known}: {text}")
        return
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": "127.0.0.1", FORWARDED_FOR: header}
    address = client_ip(request)
    if address is None:
        cure = "TRUSTED_PROXIES must be the number of proxies that append to X-Forwarded-For."
        yield Finding("proxies", FAILED, "this header names no client", cure)
    else:
        yield Finding("proxies", OK, f"the client of this header is {address}")
