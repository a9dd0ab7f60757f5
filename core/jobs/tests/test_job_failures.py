"""Jobs that could not be done: tried again, given up, or taken up from a worker that died."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from core.jobs import services as jobs
from core.jobs.models import Job
from core.jobs.runner import Heartbeat, LeaseLost, Run
from core.tests.factories import JobFactory
from core.web.errors import ApiError

pytestmark = pytest.mark.django_db

Status = Job.Status


def fresh(job):
    return Job.objects.get(pk=job.pk)


# --- failing --------------------------------------------------------------------------------------


def test_what_an_error_quotes_is_stored_bounded_and_without_nul(work):
    def fail(_run):
        raise ValueError("a\0b\ud800" + "x" * 5000 + "end")

    work.act = fail
    job = JobFactory()
    jobs.run_due()

    assert fresh(job).last_error.startswith("ValueError: a\ufffdb\ufffdxxx")
    assert (fresh(job).last_error[-2:], len(fresh(job).last_error)) == ("x…", 2000)


def test_a_refusal_is_final_and_told_to_its_owner(work):
    def refuse(_run):
        raise ApiError("VALIDATION_ERROR", message="The file is empty.")

    work.act = refuse
    job = JobFactory()
    jobs.run_due()
    failed = fresh(job)

    assert (failed.status, failed.attempts, failed.result) == (Status.FAILED, 1, None)
    assert failed.error == {"code": "VALIDATION_ERROR", "message": "The file is empty.", "details": []}
    assert failed.finished_at


def test_a_defect_is_tried_three_times_and_never_told(work):
    def fall(_run):
        raise OSError("/secret/path")

    work.act = fall
    job = JobFactory()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        seen = []
        for _ in range(5):
            jobs.run_due()
            seen.append((fresh(job).status, fresh(job).attempts))
            clock.shift(timedelta(minutes=1))
    failed = fresh(job)

    assert seen == [(Status.QUEUED, 1), (Status.QUEUED, 2), *[(Status.FAILED, 3)] * 3]
    assert (failed.error["code"], failed.last_error) == ("INTERNAL_ERROR", "OSError: /secret/path")
    assert "secret" not in str(failed.error)


def test_between_two_attempts_it_waits(work):
    work.act = lambda _run: 1 / 0
    JobFactory()

    assert (jobs.run_due(), jobs.run_due()) == (1, 0)


def test_what_kills_its_workers_is_given_up(work):
    job = JobFactory(attempts=jobs.MAX_ATTEMPTS)
    jobs.run_due()

    assert (fresh(job).status, work.done) == (Status.FAILED, [])
    assert "given up" in fresh(job).last_error


def test_a_kind_that_nothing_runs_has_failed_in_the_end():
    job = JobFactory(kind="test.unheard-of", attempts=2)
    jobs.run_due()

    assert fresh(job).status == Status.FAILED


def test_nothing_is_done_for_an_account_that_was_deleted(work):
    job = JobFactory()
    job.user.soft_delete()
    jobs.run_due()

    assert (fresh(job).status, fresh(job).error["code"], work.done) == (Status.FAILED, "FORBIDDEN", [])


def test_a_failed_one_keeps_what_it_has_done(monkeypatch):
    def half(run):
        run.checkpoint({"result": {"created": 2}})
        raise ApiError("VALIDATION_ERROR")

    monkeypatch.setitem(jobs.functions, "test.half", half)
    job = JobFactory(kind="test.half")
    jobs.run_due()

    assert (fresh(job).status, fresh(job).result) == (Status.FAILED, {"created": 2})


# --- workers that die or are late -----------------------------------------------------------------


def test_what_a_dead_worker_held_is_taken_up_when_its_lease_has_run_out(work, settings):
    job = JobFactory()
    held = jobs.claim(job.pk)
    held_until = settings.JOB_LEASE

    assert jobs.claim(job.pk) is None
    with time_machine.travel(timezone.now() + held_until - timedelta(seconds=2)):
        assert jobs.run_due() == 0
    with time_machine.travel(timezone.now() + held_until + timedelta(seconds=2)):
        assert jobs.run_due() == 1
    assert (fresh(job).status, fresh(job).attempts) == (Status.SUCCEEDED, 2)
    assert fresh(job).started_at == held.started_at


def test_a_late_worker_writes_nothing(work, settings):
    job = JobFactory()
    late = Run(jobs.claim(job.pk))
    with time_machine.travel(timezone.now() + settings.JOB_LEASE + timedelta(seconds=1)):
        successor = jobs.claim(job.pk)
    for write in (
        lambda: late.checkpoint({"row": 1}),
        lambda: late.succeed({}),
        lambda: late.finish(Status.CANCELLED),
        late.release,
        lambda: jobs.broken(late, OSError("late"), ApiError("INTERNAL_ERROR")),
        lambda: jobs.fail(late, ApiError("CONFLICT")),
    ):
        with pytest.raises(LeaseLost):
            write()

    assert (fresh(job).status, fresh(job).lease_id) == (Status.RUNNING, successor.lease_id)
    assert (fresh(job).position, fresh(job).result, fresh(job).last_error) == ({}, None, "")


def test_a_late_worker_is_told_at_its_next_step(work):
    job = JobFactory()
    run = Run(jobs.claim(job.pk))
    Job.objects.filter(pk=job.pk).update(lease_id=None)
    Heartbeat(run).beat()

    with pytest.raises(LeaseLost):
        run.progress(1, 2)


def test_a_beat_renews_the_lease_and_writes_the_progress(settings):
    job = JobFactory()
    run = Run(jobs.claim(job.pk))
    heart = Heartbeat(run)
    before = fresh(job)
    heart.beat()
    assert fresh(job).version == before.version  # nothing moved

    run.progress(1, 3)
    with time_machine.travel(timezone.now() + timedelta(seconds=30)):
        heart.beat()
    after = fresh(job)

    assert (after.progress, after.version) == (33, before.version + 1)
    assert after.lease_until > before.lease_until


@pytest.mark.django_db(transaction=True)
def test_a_long_step_keeps_its_lease_without_a_word(work, settings, monkeypatch):
    settings.JOB_LEASE = timedelta(seconds=1)
    renewed = threading.Event()
    beat = Heartbeat.beat

    def beaten(heart):
        before = fresh(heart.run.job).lease_until
        beat(heart)
        if fresh(heart.run.job).lease_until > before:
            renewed.set()

    monkeypatch.setattr(Heartbeat, "beat", beaten)
    work.act = lambda _run: renewed.wait(20) or pytest.fail("no beat")
    job = JobFactory()
    jobs.run_due()

    assert (fresh(job).status, fresh(job).attempts) == (Status.SUCCEEDED, 1)
