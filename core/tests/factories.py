import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from core.audit.models import AuditEvent
from core.files.models import StoredFile
from core.jobs.models import Job
from core.jobs.services import runs
from core.outbox.models import OutboxMessage


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
