from datetime import UTC, datetime, timedelta

import pytest
from celery import current_app
from django.utils import timezone

from billing.models import Invoice
from billing.tasks import mark_overdue
from billing.tests.factories import InvoiceFactory
from core.outbox.models import ScheduledTask
from core.outbox.schedules import run_due_entries
from core.tests.answers import code

pytestmark = pytest.mark.django_db


def pay(caller, invoice):
    return caller.post(f"/api/v1/invoices/{invoice.pk}/pay")


def test_an_invoice_is_paid_once_and_its_owner_is_told(owner, invoice, deliver):
    answer = pay(owner, invoice)

    assert answer.status_code == 200
    assert answer.json()["data"]["status"] == "paid"
    assert answer.json()["data"]["paidAt"]
    assert code(pay(owner, invoice)) == (409, "CONFLICT")
    [email] = deliver()
    assert email.to == [owner.user.email]
    assert email.subject == f"Invoice {invoice.number} is paid"
    assert "119.90" in email.body
    assert deliver() == []


def test_who_may_not_write_an_invoice_does_not_pay_it(stranger, support, admin, invoice, deliver):
    assert pay(stranger, invoice).status_code == 404
    assert pay(support, invoice).status_code == 403
    assert deliver() == []
    assert pay(admin, invoice).status_code == 200


def test_no_email_is_sent_for_an_invoice_that_was_deleted(owner, invoice, deliver):
    pay(owner, invoice)
    owner.delete(f"/api/v1/invoices/{invoice.pk}")

    assert deliver() == []


def test_the_task_marks_sent_invoices_that_are_due(customer):
    yesterday = timezone.localdate() - timedelta(days=1)
    due = InvoiceFactory(customer=customer, status="sent", due_date=yesterday)
    InvoiceFactory(customer=customer, status="sent", due_date=timezone.localdate())
    InvoiceFactory(customer=customer, status="paid", due_date=yesterday)

    assert mark_overdue.apply().get() == 1
    assert mark_overdue.apply().get() == 0
    due.refresh_from_db()
    assert (due.status, due.version) == ("overdue", 2)


def test_the_schedule_runs_the_task_without_a_broker(customer):
    due = InvoiceFactory(customer=customer, status="sent", due_date="2026-01-01")
    ScheduledTask.objects.create(name="mark-overdue", last_run_at=datetime(2026, 1, 1, tzinfo=UTC))
    runs = []
    run_due_entries(current_app, lambda task, *args, **kwargs: runs.append(task))

    assert "billing.tasks.mark_overdue" in runs
    current_app.tasks["billing.tasks.mark_overdue"].apply()
    assert Invoice.objects.get(pk=due.pk).status == "overdue"
