"""Jobs: work that takes longer than a request. `enqueue_job` writes the row in the caller's transaction; a worker
claims it and runs its function under a lease (core/db/leases.py).

When a worker is killed, another runs the function again from the last checkpoint, so it must be safe to run twice.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.http import Http404
from django.urls import get_resolver
from django.utils.translation import gettext as _

from core.api.caller import request_of, routed_view
from core.api.routers import viewsets
from core.audit import services as audit
from core.db.leases import LeaseLost, caused_by, work_on
from core.files import services as files
from core.jobs.models import Job
from core.jobs.runner import JobCancelled, Run
from core.outbox.dispatcher import dispatcher
from core.web import metrics, traces
from core.web import request_context as context
from core.web.errors import ApiError, translate
from core.web.logs import log_on_commit
from core.web.registry import Registry
from core.web.text import error_text

log = structlog.get_logger(__name__)

TASK = "core.run_jobs"
MAX_ATTEMPTS = 3
RETRY_DELAY = timedelta(seconds=10)
MAX_UNFINISHED = 20  # jobs of one user

Function = Callable[[Run], None]
functions: Registry[Function] = Registry()
wake_up = dispatcher.register(TASK)
# Functions that return whether the caller may still read the file of a job. Without an entry the role decides.
permits: Registry[Callable[[Job, Any], bool]] = Registry()

Item = TypeVar("Item")


class TooManyJobs(ApiError):
    code = "RATE_LIMITED"

    def __init__(self) -> None:
        message = f"{MAX_UNFINISHED} of your jobs are not finished yet. Wait for one of them, or cancel it."
        super().__init__(message=message, retry_after=10)


def runs(kind: str) -> Callable[[Function], Function]:
    """Register the function that runs jobs of this kind, or with `*.export` of all kinds of this verb. It ends by
    `run.succeed`, returns early when `run.should_pause`, and raises ApiError for errors that a retry cannot help."""
    return partial(functions.register, kind)


def kind_of(view_class: Any, verb: str) -> str:
    """Return the kind of a viewset's jobs: `resource.export` of ResourceViewSet."""
    return f"{view_class.__name__.removesuffix('ViewSet').lower()}.{verb}"


# --- for requests ----------------------------------------------------------------------------------


def enqueue_job(*, user: Any, kind: str, parameters: dict[str, Any], **files: Any) -> Job:
    """Write a job, in the transaction of the request. Raises TooManyJobs."""
    with transaction.atomic():
        # The row of the user is locked, so that parallel requests cannot exceed the limit.
        type(user)._default_manager.select_for_update(no_key=True).get(pk=user.pk)
        if Job.objects.filter(user=user, finished_at=None).count() >= MAX_UNFINISHED:
            raise TooManyJobs
        cause = {"request_id": context.current.get().request_id, "trace_parent": traces.trace_parent()}
        values = {"kind": kind, "parameters": parameters, **cause}
        job = Job.objects.create(user=user, role=user.role, **values, **files)
        audit.record("job.queued", actor_id=user.pk, target=job, changes={"kind": [None, kind]})
        transaction.on_commit(wake_up)
    return job


def cancel_job(*, job: Job, actor: Any) -> None:
    """Cancel a job. Raises ApiError CONFLICT for a finished one. The caller holds the row."""
    before = job.status
    already_requested = job.cancel_requested_at is not None
    with transaction.atomic():
        if not job.cancel():
            raise ApiError("CONFLICT", message=_("This job is over; there is nothing to cancel."))
        if job.is_finished:  # nothing reads them any more
            drop_files(job)
        if not already_requested:
            changes: audit.Changes = {"status": [before, job.status]}
            audit.record("job.cancelled", actor_id=actor.pk, target=job, changes=changes)
        if job.status != before:  # else the worker ends it, and logs that
            log_on_commit(
                "job_ended", jobId=str(job.pk), kind=job.kind, status=job.status, attempt=job.attempts
            )


def dismiss_job(*, job: Job, actor: Any) -> None:
    """Cancel a job, or delete the files of a finished one. Raises ApiError CONFLICT if there is nothing to do. The
    caller holds the row."""
    with transaction.atomic():
        if job.is_finished and drop_files(job):
            audit.record("job.files_deleted", actor_id=actor.pk, target=job)
        else:
            cancel_job(job=job, actor=actor)


def drop_files(job: Job) -> bool:
    """Delete the files of the job. Return whether there was any. The caller is in a transaction."""
    stored = [item for item in (job.source_file, job.result_file) if item is not None]
    if stored:
        job.source_file = job.result_file = None
        job.save_changes("source_file", "result_file")
        files.schedule_deletion(*stored)
    return bool(stored)


def retry_job(*, job: Job, actor: Any) -> bool:
    """Retry a failed job. Return False for another one. The caller holds the row."""
    if job.status != Job.Status.FAILED:
        return False
    job.retry()
    audit.record("job.retried", actor_id=actor.pk, target=job, changes={"status": ["failed", job.status]})
    transaction.on_commit(wake_up)
    return True


# --- for workers -----------------------------------------------------------------------------------


def run_due() -> int:
    """Run the jobs that are due, in the order in which they became due. Return the number of runs."""
    return work_on(claim, run_job, wake_up=wake_up)


def claim() -> Job | None:
    job: Job | None = Job.objects.select_related("user", "source_file").claim(
        settings.JOB_LEASE,
        status=Job.Status.RUNNING,
        started_at=Coalesce("started_at", Now()),
        version=F("version") + 1,
        updated_at=Now(),
    )
    return job


def run_job(job: Job) -> None:
    """Run a claimed job in the name of its request. Raises LeaseLost."""
    started = time.monotonic()
    run = Run(job)
    with caused_by(job, user_id=str(job.user_id), jobId=str(job.pk)):
        try:
            with run:
                attempt(run)
        finally:
            seconds = time.monotonic() - started
            metrics.job_seconds.labels(job.kind).observe(seconds)
            event = "job_ended" if run.finished else "job_interrupted"
            milliseconds = round(seconds * 1000, 1)
            log.info(event, duration=milliseconds, kind=job.kind, status=job.status, attempt=job.attempts)


def attempt(run: Run) -> None:
    """Call the function, and write the outcome. Raises LeaseLost, and SoftTimeLimitExceeded after the job is queued for
    another attempt."""
    job = run.row
    try:
        run.check()
        if job.attempts > MAX_ATTEMPTS:  # every attempt so far has killed its worker
            raise RuntimeError(f"given up after {MAX_ATTEMPTS} attempts")
        run.check_owner()
        function = registered(functions, job.kind)
        if function is None:
            raise RuntimeError(f"no app runs jobs of the kind {job.kind}")
        function(run)
        if not run.finished:
            run.release(due_at=Now(), attempts=0)
    except LeaseLost:
        raise
    except JobCancelled:
        with transaction.atomic():
            run.finish(
                Job.Status.CANCELLED, progress=run.percent, result=run.partial_result, source_file=None
            )
            if job.source_file is not None:
                files.schedule_deletion(job.source_file)
    except Exception as error:
        refusal = None if isinstance(error, DatabaseError) else translate(error)
        if refusal is None or refusal.status >= 500:
            retry_or_fail(run, error, refusal or ApiError("INTERNAL_ERROR"))
        else:
            fail(run, refusal)
        if isinstance(error, SoftTimeLimitExceeded):
            raise


def may_have_file(job: Job, user: Any) -> bool:
    """Return whether the caller has the role of the job, and the permissions that it runs with."""
    if registered(functions, job.kind) is None or not job.is_for(user):
        return False
    permit = registered(permits, job.kind)
    return permit is None or permit(job, user)


def result_for(job: Job, user: Any) -> Any:
    """Return the result of a job with a summary, without the text if the caller may not read its source now."""
    return job.result if may_have_file(job, user) else without_summary(job)


def without_summary(job: Job) -> Any:
    result = job.result
    return {**result, "summary": None} if result is not None and "summary" in result else result


def view_of_job(job: Job, user: Any) -> Any:
    """Return the viewset that has queued the job, as its route makes it, for this user. Its permissions are not yet
    checked. Raises Http404 if the route has gone."""
    view = routed_view(request_of(user, "POST", job.parameters["path"]))
    if kind_of(type(view), job.kind.rpartition(".")[2]) != job.kind:
        raise Http404
    return view


def known_kinds() -> list[str]:
    """Return the kinds of jobs that can be queued: the registered ones, and for each verb those of the viewsets."""
    kinds = {kind for kind in functions if not kind.startswith("*.")}
    for view_class in viewsets():
        verbs = {str(extra.url_path) for extra in view_class.get_extra_actions()}
        kinds |= {kind_of(view_class, verb) for verb in verbs if f"*.{verb}" in functions}
    return sorted(kinds)


def registered(items: Registry[Item], kind: str) -> Item | None:
    """Return what is registered for this kind, or for its verb. The routes import the views that register."""
    _patterns = get_resolver().url_patterns
    return items.get(kind) or items.get(f"*.{kind.rpartition('.')[2]}")


def retry_or_fail(run: Run, error: Exception, refusal: ApiError) -> None:
    """Queue the job for another attempt, or after the last one fail it. Its owner is only shown `refusal`."""
    job, text = run.row, error_text(error)
    final = job.attempts >= MAX_ATTEMPTS
    log.warning("job_attempt_failed", kind=job.kind, final=final, exc_info=error)
    if final:
        fail(run, refusal, last_error=text)
        return
    metrics.jobs_total.labels(job.kind, "retried").inc()
    run.release(status=Job.Status.QUEUED, due_at=Now() + RETRY_DELAY * job.attempts, last_error=text)


def fail(run: Run, refusal: ApiError, last_error: str = "") -> None:
    error = {"code": refusal.code, "message": refusal.message, "details": refusal.details}
    values = {"error": error, "last_error": last_error, "progress": run.percent}
    run.finish(Job.Status.FAILED, result=run.partial_result, **values)
