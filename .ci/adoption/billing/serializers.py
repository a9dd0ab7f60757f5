from typing import Any, ClassVar

from rest_framework import serializers

from billing.models import Customer, Invoice
from core.api.serializers import ModelSerializer, StringField, VersionField
from core.files.attachments.serializers import AttachmentSerializer


class CustomerSerializer(ModelSerializer):
    name = StringField(min_length=1, max_length=100)
    examples: ClassVar = {"name": "Blue Bikes Ltd", "email": "office@example.com"}

    class Meta:
        model = Customer
        fields = ("id", "name", "email", "createdAt", "updatedAt")
        read_only_fields = ("id", "createdAt", "updatedAt")


class InvoiceSerializer(ModelSerializer):
    customerId = serializers.PrimaryKeyRelatedField(queryset=Customer.objects.all(), source="customer")
    number = StringField(min_length=1, max_length=20)
    version = VersionField()
    lines = serializers.ListField(child=serializers.DictField(), max_length=100, required=False)
    examples: ClassVar = {
        "number": "2026-001",
        "amount": "119.90",
        "status": "draft",
        "dueDate": "2026-12-31",
        "lines": [{"text": "A bell", "price": "119.90"}],
    }

    class Meta:
        model = Invoice
        fields = (
            *("id", "customerId", "number", "amount", "status", "dueDate", "lines", "paidAt"),
            *("version", "createdAt", "updatedAt"),
        )
        read_only_fields = ("id", "paidAt", "createdAt", "updatedAt")


class InvoiceDetailSerializer(InvoiceSerializer):
    attachments = AttachmentSerializer(many=True, read_only=True, source="attachment_count")

    class Meta(InvoiceSerializer.Meta):
        fields: Any = (*InvoiceSerializer.Meta.fields[:-2], "attachments", "createdAt", "updatedAt")


class InvoiceSummarySerializer(ModelSerializer):
    class Meta:
        model = Invoice
        fields = ("id", "amount")
