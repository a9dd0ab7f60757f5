"""The command that compares the storage with the records."""

from io import StringIO

import pytest
from django.core.management import call_command

from core.files import services as files
from core.files.models import StoredFile
from core.files.tests.sample_files import make_older_than_an_hour, pending_file
from core.outbox import services as outbox
from resources.tests.factories import AttachmentFactory

pytestmark = pytest.mark.django_db


def sweep(*arguments):
    """Return what the command writes, and its warnings."""
    output, warnings = StringIO(), StringIO()
    call_command("sweep_files", *arguments, stdout=output, stderr=warnings)
    outbox.drain()
    return output.getvalue(), warnings.getvalue()


def test_it_leaves_needed_files_alone(storage):
    AttachmentFactory()
    pending_file()

    assert sweep()[0] == "Deleted: 0 files without a record, 0 that nothing points to.\n"
    make_older_than_an_hour()
    sweep()
    assert len(storage.names()) == 2


def test_it_deletes_files_without_a_record(storage):
    AttachmentFactory()
    StoredFile.objects.filter(pk=pending_file().pk).delete()
    assert sweep("--dry-run")[0].startswith("Would delete: 1 files without a record, 0 ")
    assert len(storage.names()) == 2

    assert sweep()[0].startswith("Deleted: 1 files without a record, 0 ")
    assert len(storage.names()) == 1


def test_it_deletes_files_without_references(storage):
    AttachmentFactory().delete()  # past the service
    assert sweep()[0].endswith(", 0 that nothing points to.\n")
    make_older_than_an_hour()
    assert sweep("--dry-run")[0].endswith(", 1 that nothing points to.\n")
    assert len(storage.names()) == 1

    assert sweep()[0].endswith(", 1 that nothing points to.\n")
    assert (storage.names(), StoredFile.objects.count()) == ([], 0)


def test_it_names_lost_files(storage):
    attachment = AttachmentFactory()
    files.storage.delete(attachment.file.name)
    make_older_than_an_hour()
    output, warnings = sweep()

    assert "Lost: 1." in output
    assert warnings == f"lost: {attachment.file.name} a.txt\n"
