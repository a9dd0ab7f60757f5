from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.response import Response

from billing import services
from billing.models import Customer, Invoice, InvoiceFile
from billing.serializers import (
    CustomerSerializer,
    InvoiceDetailSerializer,
    InvoiceSerializer,
    InvoiceSummarySerializer,
)
from core.api.mixins.history import HistoryViewSet
from core.api.mixins.trash import TrashViewSet
from core.files.attachments.views import AttachmentViewSet, ShowsAttachments
from core.importexport.exports import ExportViewSet
from core.importexport.views import ImportViewSet


class CustomerViewSet(TrashViewSet):
    """The caller's customers."""

    queryset = Customer.objects.all()
    serializer_class = CustomerSerializer
    search_fields = ("name", "email")
    sort_fields: ClassVar = {"createdAt": "created_at", "name": "name"}


class InvoiceViewSet(ShowsAttachments, ImportViewSet, ExportViewSet, HistoryViewSet, TrashViewSet):
    """The invoices of the caller's customers."""

    queryset = Invoice.objects.all()
    serializer_class = InvoiceSerializer
    detail_serializer_class = InvoiceDetailSerializer
    attachment_model = InvoiceFile
    filterset_fields: ClassVar = {
        "status": ["exact", "in"],
        "customer": ["exact"],
        "amount": ["gte", "lte"],
        "due_date": ["gte", "lt", "isnull"],
    }
    includes: ClassVar = {"customer": CustomerSerializer}
    search_fields = ("number",)
    sort_fields: ClassVar = {"createdAt": "created_at", "amount": "amount", "dueDate": "due_date"}
    documented_errors: ClassVar = {"pay": ("CONFLICT",)}

    @extend_schema(request=None, responses=InvoiceSerializer)
    @action(detail=True, methods=["post"])
    def pay(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Set the invoice to paid, and email its owner."""
        with transaction.atomic():
            invoice = services.pay_invoice(invoice=self.locked_object(), actor=request.user)
        return self.respond(invoice)


class InvoiceSummaryViewSet(ExportViewSet):
    """A few columns of the invoices of the caller's customers."""

    queryset = Invoice.objects.all()
    serializer_class = InvoiceSummarySerializer
    exposed = frozenset({"list", "retrieve"})
    sort_fields: ClassVar = {"createdAt": "created_at"}


class InvoiceFileViewSet(AttachmentViewSet):
    """Files of an invoice, for users who may see the invoice."""

    queryset = InvoiceFile.objects.all()
    parents = InvoiceViewSet
