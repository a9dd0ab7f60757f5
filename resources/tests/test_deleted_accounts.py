"""Rows and files of a deleted account: kept for 30 days, then deleted with it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.services.erasure import erase
from accounts.tests.checks import API
from accounts.tests.factories import PASSWORD
from core.db.retention import purge_expired
from core.files.models import StoredFile
from core.files.tests.sample_files import pending_file
from core.outbox import services as outbox
from resources.models import Attachment, Resource
from resources.tests.factories import AttachmentFactory, ResourceFactory

pytestmark = pytest.mark.django_db


def test_the_rows_are_stored_for_thirty_days(owner):
    owner.post(f"{API}/resources", {"title": "Diary"})
    owner.delete(f"{API}/users/me", {"currentPassword": PASSWORD})

    assert Resource.objects.filter(user=owner.user).count() == 1


def test_a_deleted_account_is_erased_after_thirty_days(clock, owner, stranger):
    ResourceFactory(user=owner.user, title="Diary")
    other = ResourceFactory(user=stranger.user)
    owner.delete(f"{API}/users/me", {"currentPassword": PASSWORD})

    clock.shift(timedelta(days=30))
    assert purge_expired()["deleted accounts"] == 0
    clock.shift(1)
    assert purge_expired()["deleted accounts"] == 1

    assert User.objects.get() == stranger.user
    assert Resource.objects.get() == other


def test_files_are_deleted_with_their_resource(storage):
    attachment = AttachmentFactory()
    attachment.resource.soft_delete()
    type(attachment.resource).objects.update(deleted_at=timezone.now() - timedelta(days=31))
    purge_expired()
    outbox.drain()

    assert (storage.names(), StoredFile.objects.count(), Attachment.objects.count()) == ([], 0, 0)


def test_files_are_deleted_with_their_user(storage):
    attachment = AttachmentFactory()
    pending_file(user=attachment.resource.user)
    attachment.resource.user.soft_delete()
    erase(user=attachment.resource.user)
    outbox.drain()

    assert (storage.names(), StoredFile.objects.count(), Attachment.objects.count()) == ([], 0, 0)


def test_the_personal_data_export_names_the_files(disk, owner):
    attachment = AttachmentFactory(resource=ResourceFactory(user=owner.user))
    AttachmentFactory()
    data = owner.get("/api/v1/users/me/export").json()["data"]

    assert [item["filename"] for item in data["files"]] == ["a.txt"]
    (item,) = data["attachments"]
    assert (item["id"], item["resourceId"]) == (str(attachment.pk), str(attachment.resource_id))
