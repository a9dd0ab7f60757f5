from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from accounts.tests.factories import SessionFactory, UserFactory
from core.audit import services as audit
from core.audit.models import AppendOnlyError, AuditEvent
from core.tests.factories import AuditEventFactory
from core.web import request_context as context

pytestmark = pytest.mark.django_db


def test_an_event_says_who_what_whom_and_from_where():
    actor, session = UserFactory(), SessionFactory()
    asking = context.RequestContext(request_id="r-1", ip_address="192.0.2.1", user_agent="browser/1")
    token = context.current.set(asking)
    audit.record("session.ended", actor_id=actor.pk, target=session, changes={"x": [1, 2]})
    context.current.reset(token)
    event = AuditEvent.objects.get()

    assert (event.event, event.actor_id) == ("session.ended", actor.pk)
    assert (event.target_type, event.target_id, event.subject_id) == (
        "accounts.session",
        session.pk,
        session.user_id,
    )
    assert (event.request_id, event.ip_address, event.user_agent) == ("r-1", "192.0.2.1", "browser/1")
    assert event.changes == {"x": [1, 2]}


def test_outside_a_request_there_is_nobody_to_name():
    audit.record("clock.struck")
    event = AuditEvent.objects.get()

    assert (event.actor_id, event.target_id, event.target_type, event.ip_address) == (None, None, "", None)
    assert event.changes == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event.save(),
        lambda event: event.save(update_fields=["event"]),
        lambda event: event.delete(),
        lambda _event: AuditEvent.objects.update(event="x"),
        lambda _event: AuditEvent.objects.all().delete(),
        lambda _event: AuditEvent.objects.filter(event="x").delete(),
        lambda event: AuditEvent.objects.bulk_update([event], ["event"]),
        lambda event: AuditEvent.objects.update_or_create(pk=event.pk, defaults={"event": "x"}),
    ],
)
def test_what_is_written_stays(change):
    event = AuditEventFactory(event="thing.done")

    with pytest.raises(AppendOnlyError, match="append-only"), transaction.atomic():
        change(event)
    assert AuditEvent.objects.get().event == "thing.done"


def test_an_event_outlives_whom_it_speaks_of():
    user = UserFactory()
    audit.record("user.created", actor_id=user.pk, target=user)
    pk = user.pk
    user.delete()

    assert AuditEvent.objects.get().target_id == pk


def test_a_difference_names_what_differs_before_and_after():
    before = {"title": "One", "tags": ["a"], "same": 1, "gone": 2}
    after = {"title": "Two", "tags": ["a", "b"], "same": 1, "new": None, "more": True}

    assert audit.difference(before, after) == {
        "title": ["One", "Two"],
        "tags": [["a"], ["a", "b"]],
        "more": [None, True],
    }


def test_a_difference_shortens_long_texts_and_writes_out_what_json_does_not_know():
    moment, key = datetime(2026, 1, 2, tzinfo=UTC), UUID(int=7)
    changes = audit.difference({"text": "x" * 500}, {"text": "y" * 501, "at": moment, "id": key})

    assert changes["text"] == ["x" * 500, "y" * 500 + "… (501 characters)"]
    assert changes["at"] == [None, "2026-01-02 00:00:00+00:00"]
    assert changes["id"] == [None, str(key)]


def test_an_event_says_what_it_is():
    event = AuditEventFactory(event="thing.done", target_id=uuid4())

    assert str(event) == f"thing.done {event.created_at:%Y-%m-%d %H:%M:%S}"
