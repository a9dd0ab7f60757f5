"""`manage.py anonymize` on a copy of the database: what is gone, what stays, and what it refuses."""

import sqlite3
from contextlib import closing

import psycopg
import pytest

from core.backups.tests.installation import ON_POSTGRESQL, Installation

pytestmark = pytest.mark.backups
MARK = "zanzibar"  # in every text that is written here
FILL = f"""
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from accounts.models import Lockout, User
from accounts.tests.factories import OneTimeTokenFactory, SessionFactory, UserFactory
from core.audit import services as audit
from core.files.models import StoredFile
from core.jobs.models import Job
from core.outbox.models import OutboxMessage
from core.db.owner_versions import current_version

for n in range(3):
    user = UserFactory(name=f"{MARK} {{n}}", email=f"{MARK}{{n}}@example.org", pending_email=f"{MARK}@example.net")
    SessionFactory(user=user, user_agent="{MARK}", ip_address="198.51.100.7")
    OneTimeTokenFactory(user=user, email="{MARK}@example.org")
    audit.record("user.updated", target=user, changes={{"name": ["{MARK}", "x"]}})
    Job.objects.create(user=user, kind="test.job", parameters={{"q": "{MARK}"}})
    OutboxMessage.objects.create(kind="test.kept", payload={{"email": "{MARK}@example.org"}})
    StoredFile.objects.create(user=user, filename="{MARK}.txt", content_type="text/plain", state="in_use")
    LogEntry.objects.create(user=user, action_flag=CHANGE, object_repr="{MARK}", object_id=str(user.pk),
                            content_type=ContentType.objects.get_for_model(User))
"""
READ = """
from django.db import connection
from accounts.models import User
from core.db import triggers
from core.db.owner_versions import current_version
result = {
    "users": list(User.objects.order_by("email").values_list("email", "name", "search_text", "role", "pending_email")),
    "passwords": [user.has_usable_password() for user in User.objects.all()],
    "missing": triggers.missing(connection),
    "tokens": sorted(str(current_version(user.pk)) for user in User.objects.all()),
}
"""


@pytest.fixture(scope="module")
def marked(tmp_path_factory, migrated):
    """Make three users with marked texts, of which the tests use copies."""
    made = Installation(tmp_path_factory.mktemp("marked"), migrated)
    made.execute(FILL)
    yield made
    made.drop()


@pytest.fixture
def filled(tmp_path, marked):
    made = Installation(tmp_path / "filled", marked)
    yield made
    made.drop()


def name_of(installation):
    return installation.name if ON_POSTGRESQL else str(installation.file)


def contents(installation):
    """Return all rows of all tables as text, and on SQLite the bytes of the file too."""
    if ON_POSTGRESQL:
        with psycopg.connect(installation.environment["DATABASE_URL"]) as connection:
            tables = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            statistics = connection.execute("SELECT most_common_vals::text FROM pg_stats").fetchall()
            rows = [
                connection.execute(f'SELECT "{table}"::text FROM "{table}"').fetchall() for (table,) in tables
            ]
        return str(rows) + str(statistics)
    with closing(sqlite3.connect(installation.file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return "\n".join(connection.iterdump()) + str(installation.file.read_bytes())


def test_nothing_about_a_person_is_left_and_the_rest_stays(filled):
    assert contents(filled).count(MARK) > 20
    before = filled.execute(READ)
    printed = filled.manage("anonymize", "--confirm", name_of(filled))

    after, left = filled.execute(READ), contents(filled)
    assert MARK not in left
    assert "198.51.100.7" not in left
    assert "accounts.User: 3" in printed
    assert after["users"] == [
        [f"user{n}@example.com", f"User {n}", f"user {n} user{n}@example.com", "user", None]
        for n in (1, 2, 3)
    ]
    assert after["passwords"] == [False] * 3
    assert after["missing"] == []
    assert len({*after["tokens"]} - {*before["tokens"]}) == 3


def test_without_a_confirmation_nothing_is_changed(filled):
    before = contents(filled)
    printed = filled.manage("anonymize")

    assert "accounts.User: replaces password, email, pending_email, name" in printed
    assert "core_audit.AuditEvent: deletes all rows" in printed
    assert f"manage.py anonymize --confirm {name_of(filled)}" in printed
    assert contents(filled).count(MARK) == before.count(MARK)


def test_another_database_is_refused(filled):
    assert f"the database is {name_of(filled)}" in filled.refused("anonymize", "--confirm", "production")
    assert MARK in contents(filled)


def test_a_database_in_use_is_refused(filled):
    hold = "c.execute('BEGIN IMMEDIATE')" if not ON_POSTGRESQL else "c.execute('SELECT 1')"
    code = (
        f"import django; django.setup()\nfrom django.db import connection\nc = connection.cursor(); {hold}\n"
    )
    user = filled.start("-c", code + "print('ready', flush=True); input()")
    try:
        assert user.stdout.readline() == "ready\n"
        assert "Something uses the database" in filled.refused("anonymize", "--confirm", name_of(filled))
    finally:
        user.communicate("\n", timeout=30)
    assert MARK in contents(filled)


def test_values_that_the_database_refuses_change_nothing(filled):
    """The declaration gives each user the same address."""
    code = f"""
from django.core.management import CommandError, call_command
from accounts.models import User
from core.db.anonymization import replaces
replaces(User, email=lambda number, value: "one@example.com")
try:
    call_command("anonymize", "--confirm", {name_of(filled)!r})
except CommandError as error:
    result = str(error)
"""
    assert "accounts.User refuses the new values" in filled.execute(code)
    assert contents(filled).count(MARK) > 20
    assert filled.execute(READ)["missing"] == []
