import factory
from factory.django import DjangoModelFactory

from core.models import AuditEvent, OutboxMessage


class OutboxMessageFactory(DjangoModelFactory):
    class Meta:
        model = OutboxMessage

    kind = "test.nothing"


class KeptMessageFactory(OutboxMessageFactory):
    """Handled by the fixture `handled`."""

    kind = "test.kept"


class AuditEventFactory(DjangoModelFactory):
    class Meta:
        model = AuditEvent

    event = factory.Sequence(lambda n: f"thing.done{n % 3}")
