from datetime import date

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from billing.models import Invoice
from core.audit import services as audit
from core.outbox.services import enqueue
from core.web.errors import ApiError


class AlreadyPaid(ApiError):
    code = "CONFLICT"


def pay_invoice(*, invoice: Invoice, actor: User) -> Invoice:
    """Set an invoice to paid, and email its owner. The caller holds the row. Raise AlreadyPaid."""
    if invoice.status == Invoice.Status.PAID:
        raise AlreadyPaid(message="This invoice is paid already.")
    before = invoice.status
    invoice.status = Invoice.Status.PAID
    invoice.paid_at = timezone.now()
    with transaction.atomic():
        invoice.save_changes("status", "paid_at")
        audit.record(
            "invoice.paid", actor_id=actor.pk, target=invoice, changes={"status": [before, invoice.status]}
        )
        enqueue("billing.invoice_paid", {"invoice": str(invoice.pk)})
    return invoice


def mark_overdue(*, today: date) -> int:
    """Set sent invoices that are due to overdue. Return their number."""
    with transaction.atomic():
        rows = Invoice.objects.not_deleted().filter(status=Invoice.Status.SENT, due_date__lt=today)
        due = list(rows.order_by("pk").select_for_update())
        for invoice in due:
            invoice.status = Invoice.Status.OVERDUE
        Invoice.objects.all().save_changes(due, "status")
    return len(due)
