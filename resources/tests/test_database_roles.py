"""The application runs with the role of docs/deployment.md, which cannot change the triggers of the audit log."""

import os
import re
import secrets
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings

from core.tests.interpreter import django_python

SERVER = urlsplit(os.environ.get("TEST_DATABASE_URL", ""))
pytestmark = pytest.mark.skipif(not SERVER.scheme.startswith("postgres"), reason="SQLite knows no roles")

LIVE = """
import time_machine
from datetime import timedelta
from django.utils import timezone
from accounts.models import User
from core.audit.models import AuditEvent
from core.outbox.tasks import drain_outbox
from core.db.retention import purge, purge_expired

def send(method, path, body, token=""):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = getattr(Client(), method)(f"/api/v1{path}", body, content_type="application/json", headers=headers)
    assert answer.status_code in {200, 201, 202, 204}, answer.content
    return answer.json()["data"] if answer.content else None

PASSWORD = "Corr3ct-horse-battery"
ann = send("post", "/auth/register", {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"})
token = ann["tokens"]["accessToken"]
send("post", "/resources", {"title": "Diary", "tags": ["ideas"]}, token)
send("post", "/auth/forgot-password", {"email": "ann@example.com"})
send("delete", "/users/me", {"currentPassword": PASSWORD}, token)
drain_outbox(), purge_expired()
with time_machine.travel(timezone.now() + timedelta(days=31), tick=False):
    assert purge("deleted accounts") == 1
assert not AuditEvent.objects.about(ann["user"]["id"]).exists()
print(AuditEvent.objects.exclude(redacted_at=None).count(), Client().get("/health/ready").status_code)
"""


@pytest.fixture(scope="module")
def urls():
    """Yield the URLs of the owner's and of the application's role, on a database set up by the statements of the
    page."""
    mark, password = secrets.token_hex(4), secrets.token_hex(16)
    owner, app, database = f"owner_{mark}", f"app_{mark}", f"roles_{mark}"
    page = (settings.BASE_DIR / "docs" / "deployment.md").read_text()
    section = page[page.index("## The database's roles") : page.index("## Proxies")]
    blocks = [
        block.replace("app_owner", owner).replace("app_runtime", app).replace("…", password)
        for block in re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    ]
    blocks[0] = blocks[0].replace("DATABASE app", f"DATABASE {database}")
    assert len(blocks) == 3

    def run(text, name):
        with psycopg.connect(SERVER._replace(path=f"/{name}").geturl(), autocommit=True) as connection:
            for statement in text.split(";"):
                if statement.strip():
                    connection.execute(statement)

    def url(role):
        address = f"{SERVER.hostname}:{SERVER.port or 5432}"
        return f"postgres://{role}:{password}@{address}/{database}"

    try:
        run(blocks[0], "postgres")
        run(blocks[1], database)
        migrated = django_python(
            "from django.core.management import call_command; call_command('migrate', verbosity=0)",
            DATABASE_URL=url(owner),
        )
        assert migrated.returncode == 0, migrated.stderr
        run(blocks[2], database)
        yield url(owner), url(app)
    finally:
        run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)", "postgres")
        run(f"DROP ROLE IF EXISTS {owner}; DROP ROLE IF EXISTS {app}", "postgres")


def test_the_application_works_with_its_role_up_to_an_erasure(urls):
    done = django_python(LIVE, DATABASE_URL=urls[1], REDIS_URL="", CELERY_BROKER_URL="")

    assert done.returncode == 0, done.stderr
    redacted, ready = done.stdout.split()[-2:]
    assert int(redacted) >= 5
    assert ready == "200"


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE core_audit_auditevent DISABLE TRIGGER ALL",
        "DROP TRIGGER declared_append_only_rows ON core_audit_auditevent",
        "CREATE OR REPLACE FUNCTION core_audit_auditevent_append_only() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'",
        "DROP FUNCTION core_audit_auditevent_append_only() CASCADE",
        "DROP TABLE core_audit_auditevent",
        "ALTER TABLE core_audit_auditevent RENAME TO elsewhere",
        "TRUNCATE core_audit_auditevent",
        "DELETE FROM core_audit_auditevent",
        "UPDATE core_audit_auditevent SET event = 'x'",
        "UPDATE core_audit_auditevent SET created_at = now()",
        "SET session_replication_role = replica",
        "CREATE TABLE accounts_user2 (id uuid)",
    ],
)
def test_the_role_of_the_application_cannot_change_the_triggers(urls, statement):
    with psycopg.connect(urls[1]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


INSERT = """
    INSERT INTO core_audit_auditevent (id, created_at, event, target_type, user_agent, request_id, changes)
    VALUES (gen_random_uuid(), now(), 'thing.done', '', '', '', '{}')
"""


@pytest.mark.parametrize("role", [0, 1])
def test_neither_role_can_redact_other_events(urls, role):
    with psycopg.connect(urls[role]) as connection:
        connection.execute(INSERT)
        with pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute(
                "UPDATE core_audit_auditevent SET redacted_at = statement_timestamp(), changes = '{}'"
            )
