"""A job belongs to the role that requested it: it runs, and its file can be downloaded, under no other."""

import urllib.parse

import pytest

from accounts.tests.factories import UserFactory
from core.files.models import StoredFile
from core.jobs import services as jobs
from core.jobs.models import Job
from core.jobs.runner import Run
from core.tests.answers import code, names
from core.tests.job_results import finished
from resources.tests.factories import ResourceFactory
from resources.tests.importing import titles, upload

pytestmark = pytest.mark.django_db(transaction=True)

EXPORT = "/api/v1/resources/export"
EVERYBODYS = {"format": "json", "scope": "all"}


@pytest.fixture
def become(log_in):
    """Change a user's role, as an admin does it. `None` deletes the account."""
    chief = log_in(UserFactory(role="admin"))

    def change(caller, role):
        path = f"/api/v1/users/{caller.user.pk}"
        response = chief.delete(path) if role is None else chief.patch(path, {"role": role})
        assert response.status_code in {200, 204}

    return change


@pytest.fixture
def export(disk, admin):
    """Export everybody's resources as an admin."""
    ResourceFactory(title="Somebody's")
    return finished(admin, admin.post(EXPORT, EVERYBODYS))


def shown(caller, job):
    """Return the job's result by its path, and in the list."""
    single = caller.get(f"/api/v1/jobs/{job['id']}").json()["data"]["result"]
    (listed,) = names(caller.get("/api/v1/jobs"), "result")
    assert {**single, "url": None} == {**listed, "url": None}
    return single["url"], listed["url"]


# --- downloads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["user", "staff"])
def test_a_demoted_admin_gets_no_url_of_the_file(storage, admin, become, role):
    job = finished(admin, admin.post(EXPORT, EVERYBODYS))
    assert all(shown(admin, job))
    become(admin, role)

    assert shown(admin, job) == (None, None)
    become(admin, "admin")
    assert all(shown(admin, job))


def test_a_conditional_request_does_not_get_a_304_either(admin, export, become):
    path = f"/api/v1/jobs/{export['id']}"
    etag = admin.get(path)["ETag"]
    assert admin.get(path, headers={"If-None-Match": etag}).status_code == 304
    become(admin, "user")
    again = admin.get(path, headers={"If-None-Match": etag})

    assert (again.status_code, again.json()["data"]["result"]["url"]) == (200, None)


@pytest.mark.parametrize("role", ["user", None])
def test_an_earlier_url_is_refused_by_the_disk_storage(disk, export, admin, become, role):
    url = export["result"]["url"]
    assert disk.fetch(url)[0] == 200
    become(admin, role)

    assert disk.fetch(url)[0] == disk.fetch(url, Range="bytes=0-1")[0] == 403


def test_a_promoted_user_must_export_their_own_data_again(disk, owner, become):
    job = finished(owner, owner.post(EXPORT, {"format": "csv"}))
    become(owner, "admin")

    assert shown(owner, job) == (None, None)


def test_other_changes_of_the_account_do_not_revoke_the_file(disk, owner):
    job = finished(owner, owner.post(EXPORT, {"format": "csv"}))
    owner.patch("/api/v1/users/me", {"name": "Olive Oyl"})

    assert all(shown(owner, job))


# --- running --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "then"), [("admin", "user"), ("user", "admin"), ("admin", None)])
def test_a_queued_job_fails_under_another_role(disk, log_in, become, first, then):
    caller = log_in(UserFactory(role=first))
    accepted = [caller.post(EXPORT, {"format": "json"}), upload(caller, "title\nOne\n")]
    become(caller, then)
    jobs.run_due()

    stored = Job.objects.filter(pk__in=[response.json()["data"]["id"] for response in accepted])
    assert [(job.status, job.error["code"]) for job in stored] == [("failed", "FORBIDDEN")] * 2
    assert (titles(), StoredFile.objects.filter(made_by__isnull=False).count()) == ([], 0)


@pytest.mark.parametrize("role", ["user", None])
def test_an_export_that_ends_under_another_role_has_no_file(disk, admin, become, monkeypatch, role):
    """Change the role after the last beat."""
    admin.post(EXPORT, EVERYBODYS)
    monkeypatch.setattr(Run, "beat", lambda _run: None)
    ResourceFactory(title="Somebody's")
    job = jobs.claim()
    serve, changed = jobs.registered(jobs.functions, job.kind), []

    def meanwhile(run):
        changed.append(become(admin, role))
        serve(run)

    monkeypatch.setitem(jobs.functions, job.kind, meanwhile)
    jobs.run_job(job)
    job.refresh_from_db()

    assert (job.status, job.error["code"], job.result_file) == ("failed", "FORBIDDEN", None)
    assert (disk.names(), StoredFile.objects.count()) == ([], 0)


def test_no_batch_is_written_under_another_role(disk, admin, become, monkeypatch):
    theirs = [ResourceFactory(title=f"Old {number}") for number in range(6)]
    accepted = upload(admin, "id,title\n" + "".join(f"{row.pk},New\n" for row in theirs))
    monkeypatch.setattr("core.importexport.imports.BATCH", 2)
    monkeypatch.setattr(Run, "beat", lambda _run: None)
    checkpoint, written = jobs.Run.checkpoint, []

    def after_the_first(run, position):
        if len(written) == 1:
            become(admin, "user")
        written.append(checkpoint(run, position))

    monkeypatch.setattr(jobs.Run, "checkpoint", after_the_first)
    jobs.run_due()

    job = Job.objects.get(pk=accepted.json()["data"]["id"])
    assert (job.status, job.error["code"], job.result["updated"]) == ("failed", "FORBIDDEN", 2)
    assert titles() == ["New"] * 2 + [f"Old {number}" for number in range(2, 6)]


def test_a_retry_by_staff_fails_under_another_role_too(disk, admin, become):
    accepted = admin.post(EXPORT, EVERYBODYS)
    become(admin, "user")
    jobs.run_due()
    job = Job.objects.get(pk=accepted.json()["data"]["id"])
    jobs.retry_job(job=job, actor=UserFactory(role="admin"))
    jobs.run_due()

    job.refresh_from_db()
    assert (job.status, job.error["code"]) == ("failed", "FORBIDDEN")


# --- before the column was there ------------------------------------------------------------------


def test_a_job_without_a_role_has_no_file(disk, admin, export):
    Job.objects.update(role="")

    assert shown(admin, export) == (None, None)
    path = urllib.parse.urlsplit(export["result"]["url"])
    assert code(admin.get(f"{path.path}?{path.query}")) == (403, "FORBIDDEN")
