"""The task that runs jobs, and their purge."""

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from core.db.retention import BATCH, purges_expired
from core.files import services as files
from core.files.models import StoredFile
from core.jobs import services as jobs
from core.jobs.models import Job

FILE_RETENTION = timedelta(days=7)  # or as long as that of jobs, if that is shorter


# The broker delivers a message again after 300 s (visibility_timeout) while its job still runs. The second worker finds
# the job leased, so a job may take as long as this.
@shared_task(name=jobs.TASK, soft_time_limit=870, time_limit=900)
def run_jobs() -> int:
    return jobs.run_due()


def delete_files(finished: Any) -> int:
    """Delete the files of one batch of these jobs, and return the number of jobs."""
    batch = list(finished.values_list("pk", flat=True)[:BATCH])
    with transaction.atomic():
        files.schedule_deletion_of(StoredFile.objects.filter(Q(made_by__in=batch) | Q(read_by__in=batch)))
        return Job.objects.filter(pk__in=batch).update(
            result_file=None, source_file=None, version=F("version") + 1, updated_at=timezone.now()
        )


def delete_jobs(finished: Any) -> int:
    """Delete one batch of these jobs with their files, and return the number of jobs."""
    batch = Job.objects.filter(pk__in=list(finished.values_list("pk", flat=True)[:BATCH]))
    with transaction.atomic():
        delete_files(batch)
        return batch.delete()[1].get("core_jobs.Job", 0)


@purges_expired("job files", delete=delete_files)
def expired_job_files() -> Any:
    """Return the jobs whose files are deleted, earlier than the jobs themselves."""
    stay = min(FILE_RETENTION, settings.JOB_RETENTION)
    finished = Job.objects.filter(finished_at__lt=timezone.now() - stay)
    return finished.exclude(result_file=None, source_file=None)


@purges_expired("jobs", delete=delete_jobs)
def expired_jobs() -> Any:
    return Job.objects.filter(finished_at__lt=timezone.now() - settings.JOB_RETENTION)
