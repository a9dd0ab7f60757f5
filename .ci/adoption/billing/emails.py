from decimal import Decimal
from typing import Any

from accounts.models import User
from billing.models import Customer, Invoice
from core.outbox import mail
from core.outbox.models import OutboxMessage
from core.outbox.services import handles


@handles("billing.invoice_paid")
def send_invoice_paid(message: OutboxMessage) -> None:
    """Email the owner of a paid invoice, unless the invoice or the account has been deleted."""
    rows = Invoice.objects.not_deleted().filter(customer__user__deleted_at=None)
    invoice = rows.select_related("customer__user").filter(pk=message.payload["invoice"]).first()
    if invoice is not None:
        user = invoice.customer.user
        mail.send("invoice_paid", to=user.email, context={"user": user, "invoice": invoice}, cause=message)


def samples() -> dict[str, dict[str, Any]]:
    user = User(email="ann@example.com", name="Ann Example")
    customer = Customer(user=user, name="Blue Bikes Ltd")
    invoice = Invoice(customer=customer, number="2026-001", amount=Decimal("119.90"))
    return {"invoice_paid": {"user": user, "invoice": invoice}}


mail.previews.append(samples)
