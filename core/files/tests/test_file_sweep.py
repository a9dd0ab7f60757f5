"""The command that compares the storage with the records."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.tests.factories import UserFactory
from core.files import services as files
from core.files.models import StoredFile
from core.outbox import services as outbox
from resources.tests.factories import AttachmentFactory

pytestmark = pytest.mark.django_db


def store():
    return files.store([b"content"], user=UserFactory(), content_type="text/plain", filename="a.txt")


def an_hour_later():
    StoredFile.objects.update(created_at=timezone.now() - timedelta(hours=1, seconds=1))


def sweep(*arguments):
    """Return what the command writes, and its warnings."""
    output, warnings = StringIO(), StringIO()
    call_command("sweep_files", *arguments, stdout=output, stderr=warnings)
    outbox.drain()
    return output.getvalue(), warnings.getvalue()


def test_it_leaves_alone_what_is_needed(storage):
    AttachmentFactory()
    store()

    assert sweep()[0] == "Deleted: 0 files without a record, 0 that nothing points to.\n"
    an_hour_later()
    sweep()
    assert len(storage.names()) == 2


def test_it_deletes_files_without_a_record(storage):
    AttachmentFactory()
    StoredFile.objects.filter(pk=store().pk).delete()
    assert sweep("--dry-run")[0].startswith("Would delete: 1 files without a record, 0 ")
    assert len(storage.names()) == 2

    assert sweep()[0].startswith("Deleted: 1 files without a record, 0 ")
    assert len(storage.names()) == 1


def test_it_deletes_what_nothing_points_to(storage):
    AttachmentFactory().delete()  # past the service
    assert sweep()[0].endswith(", 0 that nothing points to.\n")
    an_hour_later()
    assert sweep("--dry-run")[0].endswith(", 1 that nothing points to.\n")
    assert len(storage.names()) == 1

    assert sweep()[0].endswith(", 1 that nothing points to.\n")
    assert (storage.names(), StoredFile.objects.count()) == ([], 0)


def test_it_names_what_is_lost(storage):
    attachment = AttachmentFactory()
    files.storage.delete(attachment.file.name)
    an_hour_later()
    output, warnings = sweep()

    assert "Lost: 1." in output
    assert warnings == f"lost: {attachment.file.name} a.txt\n"
