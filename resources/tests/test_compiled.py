"""Statements that are compiled once: later values replace the placeholders, and no earlier value is stored."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import Value
from django.db.models.functions import Upper
from django.utils import timezone

from core.audit.models import AuditEvent
from core.db import statements as compiled
from core.db.statements import Slot, UncompilableError, insert, placeholder_for
from core.outbox.models import OutboxMessage
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db
on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="speaks PostgreSQL's binary form"
)


@on_postgresql
def test_placeholders_become_slots():
    user, status = uuid4(), uuid4().hex
    rows = Resource.objects.filter(user_id=user, status=status, title="a title")
    statement = compiled.compiled(rows, {"user": user, "status": status})

    assert set(statement.params) == {Slot("user"), Slot("status"), "a title"}


@on_postgresql
@pytest.mark.parametrize("moment", [timezone.now(), uuid4()])
def test_a_time_that_is_no_placeholder_is_not_compiled(moment):
    rows = Resource.objects.filter(**{"pk" if hasattr(moment, "hex") else "created_at__lt": moment})
    with pytest.raises(UncompilableError):
        compiled.compiled(rows, {})


def test_a_type_without_a_placeholder_is_refused():
    with pytest.raises(UncompilableError):
        placeholder_for(object())


@on_postgresql
def test_limit_and_offset_are_parameters():
    rows = [ResourceFactory(title=f"{number}") for number in range(5)]
    all_rows = compiled.compiled(Resource.objects.order_by("title").values_list("title"), {})
    further, first = compiled.with_limit(all_rows, None), compiled.with_limit(all_rows, 1)

    assert further.run({"limit": 2, "offset": 1}) == [(rows[1].title,), (rows[2].title,)]
    assert further.run({"limit": 9, "offset": 4}) == [(rows[4].title,)]
    assert first.run({}) == [(rows[0].title,)]


@on_postgresql
def test_the_total_is_a_column_of_the_rows():
    for number in range(5):
        ResourceFactory(title=f"{number}", tags=["a", "b"])
    rows = compiled.with_total(Resource.objects.with_tags().order_by("title"), "total").values_list(
        "title", "total"
    )

    assert compiled.compiled(rows[:2], {}).run({}) == [("0", 5), ("1", 5)]


def stored(row):
    """Return the columns of the row, as they are in the database."""
    return type(row).objects.filter(pk=row.pk).values().get()


def test_an_insert_stores_what_save_stores():
    now = timezone.now()
    values = {
        "event": "a.b",
        "actor_id": uuid4(),
        "ip_address": "2001:db8::1",
        "changes": {"title": ["a", None], "n": [1, 2.5]},
        "created_at": now,
    }
    inserted, saved = AuditEvent(**values), AuditEvent(**values)
    insert(inserted)
    saved.save()

    assert stored(inserted) | {"id": None} == stored(saved) | {"id": None}
    assert not inserted._state.adding


def test_several_rows_are_inserted_at_once(django_assert_num_queries):
    later = timezone.now() + timedelta(hours=1)
    rows = [OutboxMessage(kind=f"k{number}", payload={"n": number}, due_at=later) for number in range(3)]
    with django_assert_num_queries(1):
        insert(*rows)

    assert [stored(row)["payload"] for row in rows] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_a_value_of_the_database_is_inserted_and_read_back():
    """`due_at` has a default of the database alone."""
    one, other = OutboxMessage(kind="one"), OutboxMessage(kind=Upper(Value("other")))
    insert(one)
    insert(other)

    assert (one.due_at, other.due_at) == (stored(one)["due_at"], stored(other)["due_at"])
    assert abs(one.due_at - timezone.now()) < timedelta(minutes=1)
    assert [stored(row)["kind"] for row in (one, other)] == ["one", "OTHER"]
