from typing import ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from accounts.models import Role
from core.db.access import Access
from core.db.base import BaseModel
from core.files.models import BaseAttachment, HasAttachments

READERS = frozenset({Role.SUPPORT, Role.ADMIN})
WRITERS = frozenset({Role.ADMIN})


class Customer(BaseModel):
    access = Access(owner="user", read_all=READERS, write_all=WRITERS)

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="customers")
    name = models.CharField(max_length=100)
    email = models.EmailField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["user", "-created_at", "-id"], name="customer_newest")]

    def __str__(self) -> str:
        return self.name


class Invoice(HasAttachments, BaseModel):
    class Status(models.TextChoices):
        DRAFT = "draft"
        SENT = "sent"
        PAID = "paid"
        OVERDUE = "overdue"

    access = Access(owner="customer__user", read_all=READERS, write_all=WRITERS)

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="invoices")
    number = models.CharField(max_length=20)
    amount = models.DecimalField(max_digits=10, decimal_places=2, validators=[MinValueValidator(0)])
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    due_date = models.DateField(null=True, blank=True)
    lines = models.JSONField(default=list, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["customer", "-created_at", "-id"], name="invoice_newest")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["customer", "number"], name="invoice_number_is_unique"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="invoice_amount_is_not_negative"),
        ]

    def __str__(self) -> str:
        return self.number


class InvoiceFile(BaseAttachment):
    parent = "invoice"

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="files")
