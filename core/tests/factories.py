import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from core.audit.models import AuditEvent
from core.files.models import StoredFile
from core.jobs.models import Job
from core.jobs.services import runs
from core.outbox.models import OutboxMessage
from core.webhooks.models import Webhook, WebhookDelivery
from core.webhooks.signing import set_secret


class OutboxMessageFactory(DjangoModelFactory):
    class Meta:
        model = OutboxMessage

    kind = "test.nothing"


class SampleMessageFactory(OutboxMessageFactory):
    """Handled by the fixture `handled`."""

    kind = "test.kept"


class AuditEventFactory(DjangoModelFactory):
    class Meta:
        model = AuditEvent

    event = factory.Sequence(lambda n: f"thing.done{n % 3}")


@runs("test.job")
def do_nothing(run):
    run.succeed({})


class JobFactory(DjangoModelFactory):
    class Meta:
        model = Job

    user = factory.SubFactory(UserFactory)
    role = factory.SelfAttribute("user.role")
    kind = "test.job"


class DryRunFactory(JobFactory):
    """An import of resources that has only been tried, with a file that is not there."""

    kind = "resource.import"
    status = Job.Status.SUCCEEDED
    parameters = factory.Dict({"dryRun": True})
    finished_at = factory.LazyFunction(timezone.now)
    source_file = factory.LazyAttribute(
        lambda job: StoredFile.objects.create(user=job.user, content_type="text/csv", state="in_use")
    )


class WebhookFactory(DjangoModelFactory):
    """`webhook.shown_secret` is its secret."""

    class Meta:
        model = Webhook

    user = factory.SubFactory(UserFactory)
    url = "https://hooks.example/path"
    events = factory.LazyFunction(lambda: ["*"])

    secret = ""

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        webhook = model_class(**kwargs)
        set_secret(webhook)
        webhook.save()
        return webhook


class WebhookDeliveryFactory(DjangoModelFactory):
    class Meta:
        model = WebhookDelivery

    webhook = factory.SubFactory(WebhookFactory)
    event = "webhook.test"
