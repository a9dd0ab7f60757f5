"""Jobs: work that takes longer than a request. `enqueue_job` writes the row in the caller's transaction; a worker
claims it with a lease, runs it, and renews the lease while it lives.

A claim is a conditional UPDATE, as in core/outbox/services.py: any number of workers may look for work at
once, on either database. When the lease of a killed worker has run out, another worker continues from the last
checkpoint.
A function that is registered here must therefore be safe to start over.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.urls import get_resolver
from django.utils import timezone
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from core.audit import services as audit
from core.files import services as files
from core.jobs.models import Job
from core.jobs.runner import Heartbeat, JobCancelled, LeaseLost, Run
from core.outbox.dispatcher import dispatcher
from core.web import metrics
from core.web import request_context as context
from core.web.errors import ApiError, translate
from core.web.logs import log_on_commit
from core.web.text import error_text

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 3
RETRY_DELAY = timedelta(seconds=10)
BUDGET_SECONDS = 60.0  # how long one task goes on claiming
CANDIDATES = 10
FILE_RETENTION = timedelta(days=7)  # of what a job has read or made
MOST_UNFINISHED = 20  # jobs of one person

Function = Callable[[Run], None]
functions: dict[str, Function] = {}
# Whether the caller may still have the file that a job of this kind made; without an entry the role alone decides.
permits: dict[str, Callable[[Job, Any], bool]] = {}


class TooManyJobs(ApiError):
    code = "RATE_LIMITED"

    def __init__(self) -> None:
        message = f"{MOST_UNFINISHED} of your jobs are not finished yet. Wait for one of them, or cancel it."
        super().__init__(message=message, retry_after=10)


def runs(kind: str) -> Callable[[Function], Function]:
    """Register the function that does jobs of this kind. It ends by `run.succeed`, returns early when
    `run.should_pause`, and raises ApiError for what another attempt cannot help."""

    def register(function: Function) -> Function:
        functions[kind] = function
        return function

    return register


# --- asking ---------------------------------------------------------------------------------------


def enqueue_job(*, user: Any, kind: str, parameters: dict[str, Any], **files: Any) -> Job:
    """Promise it, inside the transaction of the request. Raises TooManyJobs."""
    with transaction.atomic():
        # The row of the person is held, or of many requests at once each would find room for itself.
        type(user)._default_manager.select_for_update(no_key=True).get(pk=user.pk)
        if Job.objects.filter(user=user).unfinished().count() >= MOST_UNFINISHED:
            raise TooManyJobs
        request_id = context.current.get().request_id
        job = Job.objects.create(
            user=user, role=user.role, kind=kind, parameters=parameters, request_id=request_id, **files
        )
        audit.record("job.queued", actor_id=user.pk, target=job, changes={"kind": [None, kind]})
        transaction.on_commit(dispatcher.wake_jobs)
    return job


def cancel_job(*, job: Job, actor: Any) -> None:
    """Raises ApiError CONFLICT for one that is over. The caller holds the row."""
    before = job.status
    asked_before = job.cancel_requested_at is not None
    with transaction.atomic():
        if not job.cancel():
            raise ApiError("CONFLICT", message=_("This job is over; there is nothing to cancel."))
        if job.is_finished:  # nothing will read it any more
            drop_files(job)
        if not asked_before:
            changes: audit.Changes = {"status": [before, job.status]}
            audit.record("job.cancelled", actor_id=actor.pk, target=job, changes=changes)
        if job.status != before:  # else the worker ends it, and says so
            log_on_commit(
                "job_ended", jobId=str(job.pk), kind=job.kind, status=job.status, attempt=job.attempts
            )


def dismiss_job(*, job: Job, actor: Any) -> None:
    """Cancel a job, or delete the files of one that is over. Raises ApiError CONFLICT where there is nothing to do. The
    caller holds the row."""
    with transaction.atomic():
        if job.is_finished and drop_files(job):
            audit.record("job.files_deleted", actor_id=actor.pk, target=job)
        else:
            cancel_job(job=job, actor=actor)


def drop_files(job: Job) -> bool:
    """Delete what the job has read and made. Returns whether there was anything. In a transaction."""
    stored = [item for item in (job.source_file, job.result_file) if item is not None]
    if stored:
        job.source_file = job.result_file = None
        job.save_changes("source_file", "result_file")
        files.discard(*stored)
    return bool(stored)


def retry_job(*, job: Job, actor: Any) -> bool:
    """Start a failed one over. False when it has not failed. The caller holds the row."""
    if job.status != Job.Status.FAILED:
        return False
    job.retry()
    audit.record("job.retried", actor_id=actor.pk, target=job, changes={"status": ["failed", job.status]})
    transaction.on_commit(dispatcher.wake_jobs)
    return True


# --- working --------------------------------------------------------------------------------------


def run_due(budget: float = BUDGET_SECONDS) -> int:
    """Do what is due, in the order in which it became due, until nothing is or the time is used up. Returns how
    many runs that were. Where some is left, another worker is called for it."""
    ends = time.monotonic() + budget
    number = 0
    while (job := claim_next()) is not None:
        run_job(job)
        number += 1
        if time.monotonic() >= ends:
            dispatcher.wake_jobs()
            break
    return number


def claim_next() -> Job | None:
    while True:
        due = Job.objects.due(timezone.now()).order_by("due_at", "pk")
        candidates = list(due.values_list("pk", flat=True)[:CANDIDATES])
        if not candidates:
            return None
        for pk in candidates:
            job = claim(pk)
            if job is not None:
                return job


def claim(pk: Any) -> Job | None:
    """Take one job for the length of a lease; None when another worker was faster."""
    now = timezone.now()
    lease_id = uuid7()
    taken = (
        Job.objects.due(now)
        .filter(pk=pk)
        .update(
            status=Job.Status.RUNNING,
            lease_until=now + settings.JOB_LEASE,
            lease_id=lease_id,
            attempts=F("attempts") + 1,
            started_at=Coalesce("started_at", now),
            version=F("version") + 1,
            updated_at=now,
        )
    )
    if not taken:
        return None
    return Job.objects.select_related("user", "source_file").filter(pk=pk, lease_id=lease_id).first()


def run_job(job: Job) -> None:
    """In the name of the request that asked for it."""
    cause = context.RequestContext(request_id=job.request_id, user_id=str(job.user_id))
    token = context.current.set(cause)
    bound = structlog.contextvars.bind_contextvars(jobId=str(job.pk))
    run = Run(job)
    started = time.monotonic()
    try:
        with Heartbeat(run):
            attempt(run)
    except LeaseLost:
        log.warning("job_lease_lost", kind=job.kind)
    finally:
        seconds = time.monotonic() - started
        metrics.job_seconds.labels(job.kind).observe(seconds)
        said = "job_ended" if run.finished else "job_interrupted"
        milliseconds = round(seconds * 1000, 1)
        log.info(said, duration=milliseconds, kind=job.kind, status=job.status, attempt=job.attempts)
        structlog.contextvars.reset_contextvars(**bound)
        context.current.reset(token)


def attempt(run: Run) -> None:
    """Raises LeaseLost."""
    job = run.job
    try:
        run.check()
        if job.attempts > MAX_ATTEMPTS:  # every attempt so far has killed its worker
            raise RuntimeError(f"given up after {MAX_ATTEMPTS} attempts")
        run.check_owner()
        function_of(job.kind)(run)
        if not run.finished:
            run.release(due_at=timezone.now(), attempts=0)
    except LeaseLost:
        raise
    except JobCancelled:
        with transaction.atomic():
            run.finish(Job.Status.CANCELLED, progress=run.percent, result=run.so_far, source_file=None)
            if job.source_file is not None:
                files.discard(job.source_file)
    except Exception as error:
        refusal = None if isinstance(error, DatabaseError) else translate(error)
        if refusal is None or refusal.status >= 500:
            broken(run, error, refusal or ApiError("INTERNAL_ERROR"))
        else:
            fail(run, refusal)


def may_have_file(job: Job, user: Any) -> bool:
    """Whether the caller has the role of the job, and the permissions that it runs with."""
    permit = permits.get(job.kind)
    return job.is_for(user) and (permit is None or permit(job, user))


def function_of(kind: str) -> Function:
    """Views bring their kinds of jobs along, and the routes bring the views."""
    if kind not in functions:
        _patterns = get_resolver().url_patterns
    return functions[kind]


def broken(run: Run, error: Exception, refusal: ApiError) -> None:
    """What may go away by itself is tried again; after the last attempt its owner is told no more than `refusal`."""
    text = error_text(error)
    final = run.job.attempts >= MAX_ATTEMPTS
    log.warning("job_attempt_failed", kind=run.job.kind, final=final, exc_info=error)
    if final:
        fail(run, refusal, last_error=text)
        return
    metrics.jobs_total.labels(run.job.kind, "retried").inc()
    delay = RETRY_DELAY * run.job.attempts
    run.release(status=Job.Status.QUEUED, due_at=timezone.now() + delay, last_error=text)


def fail(run: Run, refusal: ApiError, last_error: str = "") -> None:
    error = {"code": refusal.code, "message": refusal.message, "details": refusal.details}
    run.finish(Job.Status.FAILED, error=error, last_error=last_error, progress=run.percent, result=run.so_far)
