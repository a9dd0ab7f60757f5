"""The database refuses to change the audit log, whoever asks, except for redaction."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from core import append_only, audit
from core.models import AuditEvent
from core.tests.factories import AuditEventFactory

pytestmark = pytest.mark.django_db
TABLE = "core_auditevent"


@pytest.fixture
def event():
    made = AuditEventFactory(
        actor_id=uuid4(), subject_id=uuid4(), ip_address="203.0.113.9", user_agent="x", request_id="r"
    )
    append_only.install(connection)
    return made


def execute(statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    "change",
    [
        "event = 'nothing.happened'",
        "created_at = '2001-01-01T00:00:00Z'",
        "changes = '{\"a\": 1}'",
        "ip_address = '198.51.100.1', redacted_at = '2026-01-01T00:00:00Z'",
        "user_agent = 'other', redacted_at = '2026-01-01T00:00:00Z'",
        "actor_id = NULL, redacted_at = '2026-01-01T00:00:00Z'",
    ],
)
def test_no_row_can_be_changed(event, change):
    with pytest.raises(IntegrityError, match="append-only"):
        execute(f"UPDATE {TABLE} SET {change}")


def test_no_row_can_be_deleted(event):
    with pytest.raises(IntegrityError, match="append-only"):
        execute(f"DELETE FROM {TABLE}")

    assert AuditEvent.objects.count() == 1


def test_the_table_cannot_be_emptied(event):
    empty = "TRUNCATE" if connection.vendor == "postgresql" else "DELETE FROM"  # SQLite has no other way
    with pytest.raises(IntegrityError, match="append-only"):
        execute(f"{empty} {TABLE}")

    assert AuditEvent.objects.count() == 1


def test_forgetting_an_actor_leaves_what_happened_and_nothing_of_them(event):
    assert audit.forget(event.actor_id) == 1

    left = AuditEvent.objects.get()
    assert (left.event, left.created_at, left.subject_id) == (event.event, event.created_at, event.subject_id)
    assert left.actor_id not in {None, event.actor_id}
    assert (left.ip_address, left.user_agent, left.request_id, left.changes) == (None, "", "", {})
    assert left.redacted_at <= timezone.now()


def test_forgetting_a_subject_keeps_the_actors_trace(event):
    audit.forget(event.subject_id)

    left = AuditEvent.objects.get()
    assert (left.actor_id, left.ip_address) == (event.actor_id, "203.0.113.9")
    assert left.subject_id != event.subject_id


def test_one_persons_events_share_their_pseudonym(event):
    append_only.remove(connection)
    AuditEventFactory(actor_id=event.actor_id)
    append_only.install(connection)

    audit.forget(event.actor_id)

    assert len(set(AuditEvent.objects.values_list("actor_id", flat=True))) == 1
