"""All files of a user count against one quota, until they are deleted."""

import pytest

from core.files.models import StoredFile
from core.jobs import services as jobs
from core.jobs.models import Job
from core.outbox import services as outbox
from core.tests.answers import code
from core.tests.job_results import finished
from core.tests.samples import upload as file_of
from resources.tests.factories import ResourceFactory
from resources.tests.importing import upload

pytestmark = pytest.mark.django_db(transaction=True)

EXPORT = "/api/v1/resources/export"
TABLE = "title\nOne\n"  # of 10 bytes


@pytest.fixture
def attach(owner):
    """Send a text of so many bytes."""
    path = f"/api/v1/resources/{ResourceFactory(user=owner.user).pk}/attachments"
    return lambda size: owner.post(path, file_of(b"a" * size, "a.txt"), format="multipart")


def used(caller):
    return sum(StoredFile.objects.filter(user=caller.user).values_list("size", flat=True))


def test_the_file_of_an_import_counts_until_its_rows_are_stored(storage, owner, attach, settings):
    settings.UPLOAD_QUOTA = 10
    accepted = upload(owner, TABLE)
    refused = attach(1)
    finished(owner, accepted)

    assert code(refused) == (409, "CONFLICT")
    assert attach(10).status_code == 201


def test_an_import_without_room_is_refused(storage, owner, attach, settings):
    settings.UPLOAD_QUOTA = 10
    attach(1)
    refused = upload(owner, TABLE)

    assert code(refused) == (409, "CONFLICT")
    assert "imports and exports" in refused.json()["error"]["message"]
    assert (len(storage.names()), Job.objects.count()) == (1, 0)


def test_an_export_over_the_quota_fails_with_the_reason(storage, owner, settings):
    ResourceFactory(user=owner.user, content="long " * 1000)
    settings.UPLOAD_QUOTA = 1000
    job = finished(owner, owner.post(EXPORT, {"format": "csv"}))

    assert (job["status"], job["error"]["code"], job["result"]) == ("failed", "CONFLICT", None)
    assert "Delete some first" in job["error"]["message"]
    assert (storage.names(), StoredFile.objects.count()) == ([], 0)


def test_an_export_counts_until_its_file_is_deleted(storage, owner, attach, settings):
    job = finished(owner, owner.post(EXPORT, {"format": "csv"}))
    settings.UPLOAD_QUOTA = job["result"]["size"] + 5
    refused = attach(6)
    owner.delete(f"/api/v1/jobs/{job['id']}")
    outbox.drain()

    assert code(refused) == (409, "CONFLICT")
    assert storage.names() == []
    assert attach(6).status_code == 201


def test_files_of_one_user_do_not_count_against_another(disk, owner, stranger, attach, settings):
    settings.UPLOAD_QUOTA = 10
    upload(stranger, TABLE)

    assert attach(10).status_code == 201


def test_a_cancelled_import_frees_its_room(disk, owner):
    accepted = upload(owner, TABLE)
    assert used(owner) == 10
    owner.delete(accepted["Location"])

    assert used(owner) == 0


def test_an_import_that_is_cancelled_while_it_runs_frees_its_room(disk, owner):
    accepted = upload(owner, TABLE)
    job = jobs.claim()
    owner.delete(accepted["Location"])
    assert used(owner) == 10
    job.refresh_from_db()
    jobs.run_job(job)

    assert (used(owner), owner.get(accepted["Location"]).json()["data"]["status"]) == (0, "cancelled")
    assert Job.objects.get().source_file is None


def test_a_dry_run_counts_until_it_is_committed_or_deleted(disk, owner):
    first, second = (finished(owner, upload(owner, TABLE, dryRun="true")) for _ in range(2))
    assert used(owner) == 20
    finished(owner, owner.post("/api/v1/resources/import", {"dryRunId": first["id"]}))
    assert used(owner) == 10
    owner.delete(f"/api/v1/jobs/{second['id']}")

    assert used(owner) == 0
    assert code(owner.post("/api/v1/resources/import", {"dryRunId": second["id"]})) == (409, "CONFLICT")
