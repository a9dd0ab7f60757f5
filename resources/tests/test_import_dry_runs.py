import pytest
from uuid_utils.compat import uuid7

from core.audit.models import AuditEvent
from core.jobs import services as jobs
from core.tests.answers import code, problems
from core.tests.job_results import finished
from resources.tests.factories import ResourceFactory
from resources.tests.importing import URL, counts, imported, titles, upload, wrong

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_dry_run_reports_everything_and_writes_nothing(owner, stranger):
    mine = ResourceFactory(user=owner.user, title="Mine")
    same = ResourceFactory(user=owner.user, title="Same")
    theirs = ResourceFactory(user=stranger.user)
    events = AuditEvent.objects.filter(event__startswith="resource.").count()
    body = f"id,title,tags\n{mine.pk},New,new\n{same.pk},Same,\n,Fresh,new\n{theirs.pk},X,\n,,red\n"
    result = imported(owner, body, dryRun="true")

    assert (result["dryRun"], result["rows"], counts(result)) == (True, 5, (1, 1, 1, 2))
    assert wrong(result) == [(4, "id", "conflict"), (5, "title", "blank")]
    assert titles() == sorted(["Mine", "Same", theirs.title])
    assert owner.get("/api/v1/tags").json()["data"] == []
    assert AuditEvent.objects.filter(event__startswith="resource.").count() == events


def test_a_dry_run_is_committed_by_its_id_once(owner):
    dry = finished(owner, upload(owner, "title\nOne\n\nTwo\n", dryRun="true"))
    job = finished(owner, owner.post(URL, {"dryRunId": dry["id"]}))

    assert counts(job["result"]) == counts(dry["result"]) == (2, 0, 0, 0)
    assert (job["result"]["dryRun"], titles()) == (False, ["One", "Two"])
    assert code(owner.post(URL, {"dryRunId": dry["id"]})) == (409, "CONFLICT")
    assert titles() == ["One", "Two"]


def test_a_commit_reports_changes_since_the_dry_run(owner):
    resource = ResourceFactory(user=owner.user, title="Old")
    dry = finished(owner, upload(owner, f"id,title\n{resource.pk},New\n", dryRun="true"))
    owner.delete(f"/api/v1/resources/{resource.pk}")
    job = finished(owner, owner.post(URL, {"dryRunId": dry["id"]}, format="multipart"))

    assert counts(dry["result"]) == (0, 1, 0, 0)
    assert wrong(job["result"]) == [(1, "id", "conflict")]


def test_only_an_own_successful_dry_run_can_be_committed(owner, stranger):
    waiting = upload(owner, "title\nOne\n", dryRun="true").json()["data"]
    assert code(owner.post(URL, {"dryRunId": waiting["id"]})) == (409, "CONFLICT")
    jobs.run_due()
    real = finished(owner, upload(owner, "title\nReal\n"))

    for caller, key in ((stranger, waiting["id"]), (owner, real["id"]), (owner, str(uuid7()))):
        assert problems(caller.post(URL, {"dryRunId": key})) == {"dryRunId": "does_not_exist"}
    assert titles() == ["Real"]
