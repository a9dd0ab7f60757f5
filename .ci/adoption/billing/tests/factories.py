import factory
from django.core.files.uploadedfile import SimpleUploadedFile
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from billing.models import Customer, Invoice, InvoiceFile
from core.files.attachments import services as attachments


class CustomerFactory(DjangoModelFactory):
    class Meta:
        model = Customer

    user = factory.SubFactory(UserFactory)
    name = "Blue Bikes Ltd"
    email = "office@example.com"


class InvoiceFactory(DjangoModelFactory):
    class Meta:
        model = Invoice

    customer = factory.SubFactory(CustomerFactory)
    number = factory.Sequence(lambda n: f"2026-{n}")
    amount = "119.90"
    lines = [{"text": "A bell", "price": "119.90"}]


class InvoiceFileFactory(DjangoModelFactory):
    class Meta:
        model = InvoiceFile

    invoice = factory.SubFactory(InvoiceFactory)

    @classmethod
    def _create(cls, model_class, *args, invoice, **kwargs):
        owner = invoice.customer.user
        upload = SimpleUploadedFile("a.txt", b"Hello")
        prepared = attachments.prepare(upload=upload, owner=owner, actor=owner)
        return attachments.attach(to=invoice, model=model_class, prepared=prepared, actor=owner)
