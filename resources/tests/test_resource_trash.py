from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from core.api.mixins import trash
from core.audit.models import AuditEvent
from core.db.retention import purge, purge_expired
from core.files import tasks as files_tasks
from core.files.models import StoredFile
from core.tests.answers import code, names, problems
from resources.models import Resource, Tag
from resources.tests.factories import AttachmentFactory, ResourceFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/resources"
TRASH = f"{URL}/trash"


@pytest.fixture
def gone(owner):
    resource = ResourceFactory(user=owner.user, title="Gone", tags=["b", "a"])
    resource.soft_delete()
    return resource


def restore(caller, resource):
    return caller.post(f"{URL}/{resource.pk}/restore")


# --- the list -------------------------------------------------------------------------------------


def test_shows_since_when_and_how_long_an_object_is_there(owner, gone):
    [shown] = owner.get(TRASH).json()["data"]

    deleted, purged = (datetime.fromisoformat(shown[name]) for name in ("deletedAt", "purgeAt"))
    assert (deleted, purged) == (gone.deleted_at, gone.deleted_at + timedelta(days=30))
    assert shown["version"] == gone.etag.strip('"')
    assert owner.get(TRASH, {"fields": "purgeAt"}).json()["data"] == [
        {"id": shown["id"], "purgeAt": shown["purgeAt"]}
    ]
    assert "purgeAt" not in restore(owner, gone).json()["data"]


def test_lists_deleted_resources_of_the_caller_only(owner, stranger, gone):
    ResourceFactory(user=owner.user, title="Kept")
    ResourceFactory(user=stranger.user, title="Theirs").soft_delete()

    assert names(owner.get(TRASH)) == ["Gone"]


def test_the_trash_of_an_admin_has_own_resources_only(admin, gone):
    ResourceFactory(user=admin.user, title="Mine").soft_delete()

    assert names(admin.get(TRASH)) == ["Mine"]


def test_has_the_pages_sorts_and_filters_of_a_list(owner, gone):
    ResourceFactory(user=owner.user, title="Also", tags=["a"]).soft_delete()

    assert names(owner.get(TRASH, {"sort": "title"})) == ["Also", "Gone"]
    assert names(owner.get(TRASH, {"tag": "b"})) == ["Gone"]
    assert names(owner.get(TRASH, {"search": "als"})) == ["Also"]
    assert owner.get(TRASH, {"limit": 1}).json()["meta"]["totalPages"] == 2
    assert owner.get(TRASH, {"fields": "tags", "tag": "b"}).json()["data"][0].keys() == {"id", "tags"}


def test_refuses_unknown_parameters(owner):
    assert problems(owner.get(TRASH, {"x": 1, "scope": "all"})) == {
        "x": "unknown_parameter",
        "scope": "unknown_parameter",
    }


# --- restoring ------------------------------------------------------------------------------------


def test_restores_the_resource_unchanged(owner, gone):
    response = restore(owner, gone)

    assert response.status_code == 200
    assert response.json()["data"]["tags"] == ["b", "a"]
    assert names(owner.get(URL, {"search": "gone"})) == ["Gone"]
    assert names(owner.get(TRASH)) == []


def test_a_restore_gives_a_new_version(owner, gone):
    etag = restore(owner, gone)["ETag"]

    assert etag.startswith('"v3-')
    assert owner.get(f"{URL}/{gone.pk}")["ETag"] == etag


def test_a_second_restore_is_a_404(owner, gone):
    restore(owner, gone)

    assert code(restore(owner, gone)) == (404, "NOT_FOUND")
    assert AuditEvent.objects.filter(event="resource.restored").count() == 1


def test_a_resource_outside_the_trash_cannot_be_restored(owner):
    assert code(restore(owner, ResourceFactory(user=owner.user))) == (404, "NOT_FOUND")


def test_others_cannot_restore_it(stranger, staff, anonymous, gone):
    assert code(restore(stranger, gone)) == (404, "NOT_FOUND")
    assert code(restore(staff, gone)) == (404, "NOT_FOUND")
    assert code(restore(anonymous, gone)) == (401, "UNAUTHORIZED")
    gone.refresh_from_db()
    assert gone.deleted_at is not None


def test_an_admin_restores_resources_of_others(admin, gone):
    assert restore(admin, gone).status_code == 200
    assert AuditEvent.objects.get(event="resource.restored").actor_id == admin.user.pk


# --- the end --------------------------------------------------------------------------------------


def aged(resource, age):
    Resource.objects.filter(pk=resource.pk).update(deleted_at=timezone.now() - age)


def test_is_stored_for_30_days(owner, gone):
    aged(gone, timedelta(days=30) - timedelta(minutes=1))
    purge_expired()

    assert timedelta(days=30) == settings.TRASH_RETENTION
    assert restore(owner, gone).status_code == 200


def test_is_gone_for_good_after_30_days(owner, gone):
    aged(gone, timedelta(days=30, minutes=1))
    purge_expired()

    assert not Resource.objects.exists()
    assert code(restore(owner, gone)) == (404, "NOT_FOUND")
    assert Tag.objects.count() == 2


def test_a_resource_that_is_not_deleted_is_never_purged(owner):
    resource = ResourceFactory(user=owner.user)
    Resource.objects.update(created_at=timezone.now() - timedelta(days=400))
    purge_expired()

    assert Resource.objects.get() == resource


def test_a_purge_continues_until_all_rows_are_deleted(owner, monkeypatch):
    monkeypatch.setattr(files_tasks, "BATCH", 2)
    for _ in range(5):
        ResourceFactory(user=owner.user).soft_delete()
    Resource.objects.update(deleted_at=timezone.now() - timedelta(days=31))

    counts = []

    assert purge("trash", progress=counts.append) == 5
    assert counts == [2, 4, 5]


# --- emptying it ----------------------------------------------------------------------------------


def test_the_trash_is_emptied_for_good(owner, stranger, gone, monkeypatch):
    monkeypatch.setattr(trash, "BATCH", 2)
    for number in range(4):
        ResourceFactory(user=owner.user, title=f"{number}").soft_delete()
    kept = ResourceFactory(user=owner.user)
    theirs = ResourceFactory(user=stranger.user)
    theirs.soft_delete()

    assert owner.delete(TRASH).status_code == 204
    assert {row.pk for row in Resource.objects.all()} == {kept.pk, theirs.pk}
    assert AuditEvent.objects.filter(event="resource.erased", actor_id=owner.user.pk).count() == 5
    assert owner.delete(TRASH).status_code == 204
    assert code(restore(owner, gone)) == (404, "NOT_FOUND")


def test_an_admin_empties_their_own_trash(admin, gone):
    assert admin.delete(TRASH).status_code == 204
    assert Resource.objects.get().pk == gone.pk


def test_emptying_the_trash_takes_no_parameters(owner, gone):
    assert problems(owner.delete(f"{TRASH}?tag=a")) == {"tag": "unknown_parameter"}
    assert Resource.objects.exists()


def test_files_go_with_the_trash(owner, gone):
    attachment = AttachmentFactory(resource=gone)
    owner.delete(TRASH)

    assert (
        not StoredFile.objects.exclude(state=StoredFile.State.DELETING).filter(pk=attachment.file_id).exists()
    )
