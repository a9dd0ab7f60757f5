"""Jobs in the admin: staff see all of them, start failed ones over, and call them off."""

import pytest
from django.utils import timezone

from core.audit.models import AuditEvent
from core.jobs import services as jobs
from core.jobs.models import Job
from core.tests.factories import JobFactory
from core.tests.office import act, allow, browser_of, messages_of, queries_of, rows, url_of

pytestmark = pytest.mark.django_db

Status = Job.Status


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def failed(**values):
    error = {"code": "INTERNAL_ERROR", "message": "Something went wrong.", "details": []}
    return JobFactory(
        status=Status.FAILED,
        attempts=3,
        finished_at=timezone.now(),
        error=error,
        last_error="OSError: no space",
        **values,
    )


def test_staff_without_a_permission_see_none(staff):
    assert browser_of(staff.user).get(url_of(Job)).status_code == 403


def test_the_list_shows_what_went_wrong(browser):
    job = failed()
    page = browser.get(url_of(Job))

    assert rows(page) == [job]
    assert "OSError: no space" in page.content.decode()


def test_it_is_filtered_and_searched(browser):
    job, other = failed(request_id="asked-1"), JobFactory(kind="resource.export")

    assert rows(browser.get(f"{url_of(Job)}?status__exact=failed")) == [job]
    assert rows(browser.get(f"{url_of(Job)}?kind=resource.export")) == [other]
    for word in (str(job.pk), job.user.email, "asked-1"):
        assert rows(browser.get(f"{url_of(Job)}?q={word}")) == [job]
    assert "test.job" in browser.get(url_of(Job)).content.decode()


def test_more_jobs_are_not_more_queries(browser):
    failed()
    few = queries_of(browser, url_of(Job))
    for _ in range(5):
        failed()

    assert queries_of(browser, url_of(Job)) == few


def test_nobody_edits_one(browser):
    job = failed(parameters={"query": {"search": ["<b>"]}})
    page = browser.get(url_of(job, "change"))

    assert page.status_code == 200
    assert "&lt;b&gt;" in page.content.decode()
    assert browser.post(url_of(job, "change"), {"status": "succeeded"}).status_code == 403
    assert browser.get(url_of(Job, "add")).status_code == 403
    assert browser.post(url_of(job, "delete"), {"post": "yes"}).status_code == 403


def test_a_failed_one_is_started_over(browser, monkeypatch, django_capture_on_commit_callbacks):
    monkeypatch.setitem(jobs.functions, "test.job", lambda run: run.succeed({}))
    job = failed()
    with django_capture_on_commit_callbacks() as callbacks:
        answer = act(browser, "retry", job)
    jobs.run_due()
    job.refresh_from_db()

    assert messages_of(answer) == ["Waiting to be run again: 1."]
    assert callbacks == [jobs.wake_up]
    assert (job.status, job.attempts, job.error) == (Status.SUCCEEDED, 1, None)
    event = AuditEvent.objects.get(event="job.retried")
    assert (event.actor_id, event.subject_id) == (browser.user.pk, job.user_id)


def test_what_has_not_failed_is_left_alone(browser):
    job = JobFactory()

    assert messages_of(act(browser, "retry", job)) == ["Nothing to do for 1 of the chosen."]
    assert Job.objects.get().version == 1


def test_one_is_called_off(browser):
    waiting, over = JobFactory(), failed()
    messages = messages_of(act(browser, "cancel", waiting, over))
    waiting.refresh_from_db()

    assert waiting.status == Status.CANCELLED
    assert messages == ["Cancelled, or stopping: 1.", "Nothing to do for 1 of the chosen."]
    assert AuditEvent.objects.get(event="job.cancelled").actor_id == browser.user.pk


def test_who_may_only_look_can_do_neither(staff):
    browser = browser_of(allow(staff.user, "core_jobs.view_job"))
    job = failed()
    act(browser, "retry", job)
    act(browser, "cancel", job)
    job.refresh_from_db()

    assert (job.status, job.version) == (Status.FAILED, 1)
