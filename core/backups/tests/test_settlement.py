"""Settlement after a restore: nothing of the time before it is believed."""

import pytest

pytestmark = pytest.mark.backups

SEED = """
from datetime import timedelta
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from accounts.models import OneTimeToken
from accounts.services.passwords import issue_token
from accounts.services.sessions import open_session
from accounts.tests.factories import UserFactory
from core.api.models import StoredResponse
from core.db.models import OwnerVersion
from core.jobs.models import Job
from core.outbox.models import OutboxMessage
user = UserFactory(email="ann@example.com")
open_session(user)
SessionStore().save()
for purpose in OneTimeToken.Purpose.values:
    issue_token(user, purpose, user.email, timedelta(hours=1))
later = timezone.now() + timedelta(minutes=5)
leased = {"lease_until": later, "lease_id": user.pk, "attempts": 2}
Job.objects.create(user=user, kind="resource.export", status="running", **leased)
OutboxMessage.objects.create(kind="accounts.new_device", **leased)
OutboxMessage.objects.create(kind="core.delete_files")
OutboxMessage.objects.create(kind="accounts.new_device", status="done", finished_at=timezone.now())
StoredResponse.objects.create(name="a", fingerprint="b", status=201, content=b"c")
OwnerVersion.objects.update_or_create(user=user, defaults={"token": "0198c5a47d0e7b3c9a513f0d6e2b8c17"})
result = str(OwnerVersion.objects.get().token)
"""
STATE = """
from django.contrib.sessions.models import Session as BrowserSession
from accounts.models import OneTimeToken, Session
from core.api.models import StoredResponse
from core.audit.models import AuditEvent
from core.db.models import OwnerVersion
from core.jobs.models import Job
from core.outbox.models import OutboxMessage
columns = "kind", "status", "lease_until", "last_error"
result = {
    "sessions": [Session.objects.live().count(), Session.objects.get().end_reason, BrowserSession.objects.count()],
    "links": list(OneTimeToken.objects.order_by("purpose").values_list("purpose", flat=True)),
    "jobs": [list(row) for row in Job.objects.values_list("status", "attempts", "lease_until")],
    "responses": StoredResponse.objects.count(),
    "messages": sorted(list(row) for row in OutboxMessage.objects.values_list(*columns)),
    "version": str(OwnerVersion.objects.get().token),
    "events": list(AuditEvent.objects.filter(event="backup.restored").values_list("changes", flat=True)),
}
"""
DONE = ["accounts.new_device", "done", None, ""]
DELETION = ["core.delete_files", "pending", None, ""]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("drop", ["accounts.new_device", "failed", None, "dropped at the restore of a backup"]),
        ("keep", ["accounts.new_device", "pending", None, ""]),
    ],
)
def test_after_a_restore_nothing_from_before_is_believed(installation, choice, message):
    version = installation.execute(SEED)
    name = installation.backup()
    installation.restore(name, "--pending-mail", choice)
    state = installation.execute(STATE)

    assert state["sessions"] == [0, "restored", 0]
    assert state["links"] == ["email_undo", "undelete"]
    assert state["jobs"] == [["running", 0, None]]
    assert state["responses"] == 1
    assert state["messages"] == sorted([message, DONE, DELETION])
    assert state["version"] != version
    assert state["events"] == [{"backup": [None, name]}]


def test_migrations_and_triggers_are_complete(installation, other):
    installation.execute(SEED)
    other.restore(installation.backup())

    other.manage("migrate", "--check", "--verbosity", "0")
    assert "no issues" in other.manage("check", "--database", "default")


def test_what_is_younger_than_the_backup_is_gone(installation):
    installation.execute(SEED)
    name = installation.backup()
    installation.execute(
        "from accounts.tests.factories import UserFactory\nfrom django.db import connection\nUserFactory()\n"
        "connection.cursor().execute('CREATE TABLE of_a_later_release (id integer PRIMARY KEY)')"
    )
    installation.restore(name)
    read = "from django.db import connection\nfrom accounts.models import User\n"

    assert installation.execute(
        read
        + "result = [User.objects.count(), 'of_a_later_release' in connection.introspection.table_names()]"
    ) == [1, False]
