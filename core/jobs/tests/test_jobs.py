"""Jobs are run once, by whoever holds their lease; what a worker leaves behind another takes up."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone
from prometheus_client import REGISTRY

from accounts.tests.factories import UserFactory
from core.audit.models import AuditEvent
from core.jobs import services as jobs
from core.jobs.models import Job
from core.jobs.runner import Heartbeat
from core.tests.factories import JobFactory
from core.tests.parallel import together
from core.web import request_context as context

pytestmark = pytest.mark.django_db

Status = Job.Status


def fresh(job):
    return Job.objects.get(pk=job.pk)


# --- asking ---------------------------------------------------------------------------------------


def test_a_job_waits_and_its_row_is_the_promise(work, django_capture_on_commit_callbacks):
    user = UserFactory()
    with django_capture_on_commit_callbacks() as callbacks:
        job = jobs.enqueue_job(user=user, kind="test.job", parameters={"n": 1})

    assert (job.status, job.progress, job.attempts, work.done) == (Status.QUEUED, 0, 0, [])
    assert callbacks == [jobs.dispatcher.wake_jobs]
    event = AuditEvent.objects.get(event="job.queued")
    assert (event.actor_id, event.target_id, event.subject_id) == (user.pk, job.pk, user.pk)


@pytest.mark.django_db(transaction=True)
def test_a_job_of_what_was_rolled_back_was_never_asked_for():
    user = UserFactory()
    with transaction.atomic():
        jobs.enqueue_job(user=user, kind="test.job", parameters={})
        transaction.set_rollback(True)

    assert not Job.objects.exists()


def test_nobody_may_leave_more_than_twenty_unfinished():
    user = UserFactory()
    over = JobFactory(user=user, status=Status.SUCCEEDED, finished_at=timezone.now())
    for _ in range(jobs.MOST_UNFINISHED):
        jobs.enqueue_job(user=user, kind="test.job", parameters={})
    with pytest.raises(jobs.TooManyJobs):
        jobs.enqueue_job(user=over.user, kind="test.job", parameters={})

    jobs.enqueue_job(user=UserFactory(), kind="test.job", parameters={})


@pytest.mark.django_db(transaction=True)
def test_nor_by_asking_at_the_same_moment():
    user = UserFactory()
    for _ in range(jobs.MOST_UNFINISHED - 2):
        JobFactory(user=user)

    def ask():
        try:
            jobs.enqueue_job(user=user, kind="test.job", parameters={})
        except jobs.TooManyJobs:
            return False
        return True

    assert sum(together(*[ask] * 8)) == 2


# --- running --------------------------------------------------------------------------------------


def test_a_job_is_run_once(work):
    job = JobFactory(parameters={"n": 1})
    counts = [jobs.run_due(), jobs.run_due()]
    done = fresh(job)

    assert (counts, work.done) == ([1, 0], [job.pk])
    assert (done.status, done.progress, done.result) == (Status.SUCCEEDED, 100, {"seen": {"n": 1}})
    assert done.started_at <= done.finished_at
    assert (done.lease_id, done.lease_until, done.error) == (None, None, None)
    assert done.version > job.version


def test_the_first_to_be_due_is_run_first(work):
    now = timezone.now()
    late, early = (JobFactory(due_at=now - timedelta(minutes=minutes)) for minutes in (1, 2))
    JobFactory(due_at=now + timedelta(minutes=1))
    jobs.run_due()

    assert work.done == [early.pk, late.pk]


@pytest.mark.django_db(transaction=True)
def test_parallel_workers_run_each_job_once(work):
    expected = {JobFactory().pk for _ in range(40)}
    counts = together(*[jobs.run_due] * 4)

    assert sum(counts) == len(work.done) == 40
    assert set(work.done) == expected


def test_it_works_in_the_name_of_the_request_that_asked(work):
    seen = []
    work.act = lambda _run: seen.append(context.current.get())
    job = JobFactory(request_id="asked-1")
    jobs.run_due()

    assert [(cause.request_id, cause.user_id) for cause in seen] == [("asked-1", str(job.user_id))]
    assert context.current.get().request_id == ""


def test_one_that_pauses_lets_the_others_go_first(work, monkeypatch):
    order = []

    def in_slices(run):
        steps = run.job.position.get("steps", 0) + 1
        order.append((run.job.parameters["name"], steps))
        if steps < 3:
            return run.checkpoint({"steps": steps})
        return run.succeed({})

    monkeypatch.setitem(jobs.functions, "test.sliced", in_slices)
    long = JobFactory(kind="test.sliced", parameters={"name": "long"})
    JobFactory(kind="test.sliced", parameters={"name": "other"}, position={"steps": 2})
    jobs.run_due()

    assert order == [("long", 1), ("other", 3), ("long", 2), ("long", 3)]
    assert (fresh(long).status, fresh(long).attempts) == (Status.SUCCEEDED, 1)


def test_a_task_hands_over_after_its_time(work, monkeypatch):
    woken = []
    monkeypatch.setattr(jobs.dispatcher, "wake_jobs", lambda: woken.append(True))
    JobFactory(), JobFactory()

    assert jobs.run_due(budget=0) == 1
    assert (len(work.done), woken) == (1, [True])


def test_runs_are_counted_by_kind_and_outcome(work):
    def counted(outcome):
        return REGISTRY.get_sample_value("jobs_total", {"kind": "test.job", "outcome": outcome}) or 0

    before = counted("succeeded"), counted("failed")
    JobFactory(), JobFactory(attempts=jobs.MAX_ATTEMPTS)
    jobs.run_due()

    assert (counted("succeeded"), counted("failed")) == (before[0] + 1, before[1] + 1)


# --- cancelling -----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_one_that_runs_is_cancelled_at_its_next_step(work, owner):
    job = JobFactory(user=owner.user)
    steps = []

    def act(run):
        for step in range(10_000):
            if step == 3:
                assert owner.delete(f"/api/v1/jobs/{job.pk}").status_code == 204
                cancelled.wait(20)
            steps.append(step)
            run.progress(step, 10_000)

    cancelled = threading.Event()
    beat = Heartbeat.beat

    def beaten(heart):
        beat(heart)
        if heart.run.cancelled:
            cancelled.set()

    Heartbeat.beat, work.act = beaten, act
    try:
        jobs.run_due()
    finally:
        Heartbeat.beat = beat
    assert (fresh(job).status, len(steps), work.done) == (Status.CANCELLED, 4, [])
    assert fresh(job).finished_at


def test_one_whose_worker_died_is_cancelled_by_the_next(work, settings):
    job = JobFactory()
    jobs.claim(job.pk)
    jobs.cancel_job(job=fresh(job), actor=job.user)
    with time_machine.travel(timezone.now() + settings.JOB_LEASE + timedelta(seconds=1)):
        jobs.run_due()

    assert (fresh(job).status, work.done) == (Status.CANCELLED, [])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("deleted", [True, False])
def test_one_that_runs_stops_when_its_owner_is_deleted_or_has_another_role(
    work, owner, admin, monkeypatch, deleted
):
    seen, beat, steps = threading.Event(), Heartbeat.beat, []
    path = f"/api/v1/users/{owner.user.pk}"

    def beaten(heart):
        beat(heart)
        if heart.run.refused:
            seen.set()

    def act(run):
        for step in range(10_000):
            if step == 3:
                _ = admin.delete(path) if deleted else admin.patch(path, {"role": "staff"})
                assert seen.wait(20)
            steps.append(step)
            run.progress(step, 10_000)

    monkeypatch.setattr(Heartbeat, "beat", beaten)
    work.act = act
    job = JobFactory(user=owner.user)
    jobs.run_due()

    assert (fresh(job).status, fresh(job).error["code"]) == (Status.FAILED, "FORBIDDEN")
    assert (len(steps), work.done) == (4, [])


# --- what must never be false ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"status": "lost"},
        {"progress": 101},
        {"status": "succeeded"},
        {"finished_at": timezone.now()},
    ],
)
def test_the_database_refuses_a_job_that_cannot_be(values):
    with pytest.raises(IntegrityError):
        JobFactory(**values)
