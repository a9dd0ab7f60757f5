"""`/jobs`, as the owner of a job sees it."""

import time
import urllib.parse
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from core.audit.models import AuditEvent
from core.db.retention import purge_expired
from core.files import services as files
from core.files.models import StoredFile
from core.jobs import services as jobs
from core.jobs.models import Job
from core.tests.answers import code, names, problems
from core.tests.factories import JobFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/jobs"
Status = Job.Status


def over(user, status=Status.SUCCEEDED, **values):
    return JobFactory(user=user, status=status, finished_at=timezone.now(), **values)


@pytest.fixture
def with_file(transactional_db, owner):
    """A finished export."""
    stored = files.store([b"id\r\n"], user=owner.user, content_type="text/csv", filename="a.csv")
    files.confirm(stored)
    result = {"format": "csv", "rows": 0, "filename": "things.csv", "contentType": "text/csv", "size": 4}
    return over(owner.user, result=result, result_file=stored, progress=100)


def url_of(job):
    return f"{URL}/{job.pk}"


def fetched(caller, url):
    """(status, bytes) of a signed address."""
    path = urllib.parse.urlsplit(url)
    answer = caller.get(f"{path.path}?{path.query}")
    return answer.status_code, b"".join(answer)


# --- reading --------------------------------------------------------------------------------------


def test_it_says_where_it_is(owner):
    job = JobFactory(user=owner.user, status=Status.RUNNING, progress=40, started_at=timezone.now())
    answer = owner.get(url_of(job))
    body = answer.json()["data"]

    assert set(body) == {
        *("id", "kind", "status", "progress", "result", "error", "version", "createdAt"),
        *("startedAt", "finishedAt"),
    }
    assert (body["kind"], body["status"], body["progress"], body["finishedAt"]) == (
        "test.job",
        "running",
        40,
        None,
    )
    assert answer["ETag"] == job.etag
    assert answer["Retry-After"] == "1"


def test_why_it_failed(owner):
    error = {"code": "VALIDATION_ERROR", "message": "The file is empty.", "details": []}
    job = over(owner.user, Status.FAILED, error=error, last_error="OSError: /srv/secret")
    answer = owner.get(url_of(job))
    assert "Retry-After" not in answer

    assert answer.json()["data"]["error"] == error
    assert b"secret" not in answer.content


def test_nothing_is_sent_while_nothing_moves(owner):
    job = JobFactory(user=owner.user)
    etag = owner.get(url_of(job))["ETag"]

    assert owner.get(url_of(job), HTTP_IF_NONE_MATCH=etag).status_code == 304
    jobs.claim()
    moved = owner.get(url_of(job), HTTP_IF_NONE_MATCH=etag)
    assert (moved.status_code, moved.json()["data"]["status"]) == (200, "running")


@pytest.mark.parametrize("method", ["get", "delete"])
def test_a_foreign_one_does_not_exist_for_an_admin_neither(owner, stranger, admin, method):
    job = JobFactory(user=owner.user)

    for caller in (stranger, admin):
        assert code(getattr(caller, method)(url_of(job))) == (404, "NOT_FOUND")
    job.refresh_from_db()
    assert job.status == Status.QUEUED


def test_the_list_holds_ones_own_newest_first(owner, stranger):
    first, second = JobFactory(user=owner.user), JobFactory(user=owner.user)
    JobFactory(user=stranger.user)

    assert names(owner.get(URL), "id") == [str(second.pk), str(first.pk)]
    assert names(owner.get(f"{URL}?sort=createdAt&limit=1"), "id") == [str(first.pk)]
    assert names(owner.get(f"{URL}?cursor=&limit=1&fields=status"), "status") == ["queued"]


def test_the_list_is_filtered(owner):
    JobFactory(user=owner.user, kind="a.export")
    over(owner.user, Status.FAILED, kind="b.import", error=None)

    assert names(owner.get(f"{URL}?status=failed&status=running"), "kind") == ["b.import"]
    assert names(owner.get(f"{URL}?kind=a.export"), "kind") == ["a.export"]
    assert problems(owner.get(f"{URL}?status=lost")) == {"status": "invalid_choice"}
    assert problems(owner.get(f"{URL}?knd=x")) == {"knd": "unknown_parameter"}


# --- the file -------------------------------------------------------------------------------------


def test_the_address_of_the_file_works_without_a_token(owner, anonymous, with_file):
    url = owner.get(url_of(with_file)).json()["data"]["result"]["url"]
    path = urllib.parse.urlsplit(url)
    answer = anonymous.get(f"{path.path}?{path.query}")

    assert answer.status_code == 200
    assert b"".join(answer.streaming_content) == b"id\r\n"
    assert "attachment" in answer["Content-Disposition"]
    assert "things.csv" in answer["Content-Disposition"]
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_the_address_lives_five_minutes_and_each_answer_has_a_new_one(owner, anonymous, with_file):
    old = owner.get(url_of(with_file)).json()["data"]["result"]["url"]
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        assert fetched(anonymous, old)[0] == 403
        new = owner.get(url_of(with_file)).json()["data"]["result"]["url"]
        assert fetched(anonymous, new) == (200, b"id\r\n")


def test_a_client_is_not_told_to_keep_an_address_that_runs_out(owner, with_file):
    etag = owner.get(url_of(with_file))["ETag"]

    assert owner.get(url_of(with_file), HTTP_IF_NONE_MATCH=etag).status_code == 304
    with time_machine.travel(time.time() + 290):
        assert owner.get(url_of(with_file), HTTP_IF_NONE_MATCH=etag).status_code == 200


def test_lists_have_the_address_too(owner, with_file):
    assert owner.get(URL).json()["data"][0]["result"]["url"]


# --- cancelling -----------------------------------------------------------------------------------


def test_one_that_waits_is_cancelled_at_once(owner):
    job = JobFactory(user=owner.user)
    assert owner.delete(url_of(job)).status_code == 204
    body = owner.get(url_of(job)).json()["data"]

    assert (body["status"], body["startedAt"]) == ("cancelled", None)
    assert body["finishedAt"]
    assert jobs.run_due() == 0
    event = AuditEvent.objects.get(event="job.cancelled")
    assert event.changes == {"status": ["queued", "cancelled"]}


def test_one_that_runs_is_asked_to_stop(owner):
    job = JobFactory(user=owner.user)
    jobs.claim()

    assert [owner.delete(url_of(job)).status_code for _ in range(2)] == [204, 204]
    job.refresh_from_db()
    assert (job.status, job.cancel_requested_at is not None) == (Status.RUNNING, True)
    assert AuditEvent.objects.filter(event="job.cancelled").count() == 1


def test_cancelling_twice_is_cancelling_once(owner):
    job = JobFactory(user=owner.user)

    assert [owner.delete(url_of(job)).status_code for _ in range(3)] == [204] * 3
    assert AuditEvent.objects.filter(event="job.cancelled").count() == 1


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
def test_one_that_is_over_cannot_be_cancelled(owner, status):
    job = over(owner.user, status)

    assert code(owner.delete(url_of(job))) == (409, "CONFLICT")
    assert Job.objects.get().status == status


def test_the_files_of_one_that_is_over_are_deleted(owner, with_file):
    before = owner.get(url_of(with_file))
    assert owner.delete(url_of(with_file)).status_code == 204
    after = owner.get(url_of(with_file), HTTP_IF_NONE_MATCH=before["ETag"])

    assert (after.status_code, after.json()["data"]["result"]["url"]) == (200, None)
    assert after.json()["data"]["status"] == "succeeded"
    assert not StoredFile.objects.filter(user=owner.user).exists()
    assert AuditEvent.objects.get(event="job.files_deleted").target_id == with_file.pk
    assert code(owner.delete(url_of(with_file))) == (409, "CONFLICT")


def test_a_stale_version_cancels_nothing(owner):
    job = JobFactory(user=owner.user)

    assert code(owner.delete(url_of(job), HTTP_IF_MATCH='"v7"')) == (412, "PRECONDITION_FAILED")
    assert owner.delete(url_of(job), HTTP_IF_MATCH=job.etag).status_code == 204


# --- afterwards -----------------------------------------------------------------------------------


def test_files_go_after_a_week_and_jobs_after_a_month(owner, with_file):
    waiting = JobFactory(user=owner.user, created_at=timezone.now() - timedelta(days=400))

    def after(days):
        with time_machine.travel(timezone.now() + timedelta(days=days)):
            purge_expired()

    after(6)
    assert owner.get(url_of(with_file)).json()["data"]["result"]["url"]
    after(8)
    assert owner.get(url_of(with_file)).json()["data"]["result"]["url"] is None
    assert not StoredFile.objects.filter(state="in_use").exists()
    after(31)
    assert list(Job.objects.all()) == [waiting]


def test_files_stay_no_longer_than_jobs(owner, with_file, settings):
    settings.JOB_RETENTION = timedelta(days=3)
    with time_machine.travel(timezone.now() + timedelta(days=4)):
        purge_expired()

    assert not Job.objects.exists()
    assert not StoredFile.objects.filter(state="in_use").exists()


def test_a_file_that_is_left_goes_with_its_job(owner, with_file):
    Job.objects.update(finished_at=timezone.now() - timedelta(days=31))
    purge_expired()

    assert not Job.objects.exists()
    assert not StoredFile.objects.filter(state="in_use").exists()


def test_the_export_of_a_person_holds_their_jobs(owner):
    JobFactory(user=owner.user, parameters={"query": {"search": ["me"]}})

    assert owner.get("/api/v1/users/me/export").json()["data"]["jobs"][0]["parameters"] == {
        "query": {"search": ["me"]}
    }


def test_fields_narrows_a_job_of_any_kind(owner, with_file):
    answer = owner.get(f"{url_of(with_file)}?fields=status&fields=result")

    assert set(answer.json()["data"]) == {"id", "status", "result"}
    assert problems(owner.get(f"{url_of(with_file)}?fields=position")) == {"fields": "invalid"}
