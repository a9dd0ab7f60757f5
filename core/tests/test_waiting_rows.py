"""New rows of a transaction wait for company, and are there for whoever looks."""

from contextlib import suppress

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from core.compiled import insert
from core.models import AuditEvent
from core.postgresql.prepared import Prepared, rows_of
from core.tests.parallel import together

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL"),
]


def event(name="test.event", **values):
    return AuditEvent(event=name, target_type="user", **values)


def events():
    return set(AuditEvent.objects.values_list("event", flat=True))


def test_they_go_together_in_one_statement():
    with CaptureQueriesContext(connection) as asked, transaction.atomic():
        for number in range(3):
            insert(event(f"test.{number}"))

    assert len([query for query in asked if "INSERT" in query["sql"]]) == 1
    assert events() == {"test.0", "test.1", "test.2"}


def test_whoever_reads_in_the_transaction_sees_them():
    with transaction.atomic():
        insert(event())
        assert events() == {"test.event"}


def test_they_do_not_wait_outside_of_a_transaction():
    insert(event())

    assert connection.waiting == []
    assert together(events) == [{"test.event"}]


def test_a_rollback_drops_them():
    with suppress(ZeroDivisionError), transaction.atomic():
        insert(event())
        raise ZeroDivisionError

    assert connection.waiting == []
    assert events() == set()


def test_the_rollback_of_a_part_drops_its_own_only():
    with transaction.atomic():
        insert(event("outer"))
        with suppress(ZeroDivisionError), transaction.atomic():
            insert(event("inner"))
            raise ZeroDivisionError

    assert events() == {"outer"}


def test_what_they_break_is_raised_by_the_transaction():
    taken = event()
    insert(taken)
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(event("other", id=taken.id))

    assert events() == {"test.event"}


def test_what_they_break_in_a_part_is_raised_by_the_part():
    taken = event()
    insert(taken)
    with transaction.atomic():
        with pytest.raises(IntegrityError), transaction.atomic():
            insert(event("other", id=taken.id))
        insert(event("after"))

    assert events() == {"test.event", "after"}


def test_the_rollback_of_a_part_does_not_ask_what_it_would_have_broken():
    taken = event()
    insert(taken)
    with transaction.atomic():
        with suppress(ZeroDivisionError), transaction.atomic():
            insert(event("inner", id=taken.id))
            raise ZeroDivisionError
        insert(event("after"))

    assert events() == {"test.event", "after"}


def test_a_broken_transaction_takes_no_more():
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            insert(event())

    assert events() == set()


def test_statements_that_take_the_short_way_see_them():
    count = Prepared("SELECT count(*) FROM core_auditevent WHERE event <> %s")
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(count.sql, ["x"])
    with transaction.atomic():
        insert(event())

        assert rows_of(connection, count, ["x"]) == [(1,)]
