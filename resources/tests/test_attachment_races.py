"""Parallel uploads and deletions: an attachment is stored completely, or not at all."""

import pytest

from core.files.models import StoredFile
from core.outbox import services as outbox
from core.tests import contract
from core.tests.parallel import together
from core.tests.samples import upload
from resources.models import Attachment, Resource
from resources.tests.factories import AttachmentFactory, ResourceFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _document():
    """Build the document that responses are compared with before the threads need it."""
    contract.document()


def send(client, path, **headers):
    return lambda: (
        client.post(path, upload(b"Hello", "a.txt"), format="multipart", headers=headers).status_code
    )


def consistent(disk):
    """Return whether every row has its file, every file its row, and every resource the right count."""
    outbox.drain()
    rows = {row.file.pk.hex for row in Attachment.objects.with_files()}
    counts = {row.pk: row.attachments.count() for row in Resource.objects.all()}
    stored_keys = {stored.pk.hex for stored in StoredFile.objects.all()}
    return rows == stored_keys == set(disk.names()) and counts == dict(
        Resource.objects.values_list("pk", "attachment_count")
    )


def test_of_twenty_parallel_uploads_each_is_stored_or_refused(disk, owner, log_in):
    resource = ResourceFactory(user=owner.user)
    path = f"/api/v1/resources/{resource.pk}/attachments"
    for _ in range(10):
        AttachmentFactory(resource=resource)
    statuses = together(*(send(log_in(owner.user), path) for _ in range(20)))

    assert (statuses.count(201), statuses.count(409)) == (10, 10)
    assert consistent(disk)


def test_an_upload_in_parallel_to_the_deletion_of_its_resource_is_consistent(disk, owner, log_in):
    clients = [log_in(owner.user) for _ in range(4)]
    for _ in range(15):
        resource = ResourceFactory(user=owner.user)
        path = f"/api/v1/resources/{resource.pk}"
        uploads = [send(client, f"{path}/attachments") for client in clients]
        statuses = together(*uploads, lambda path=path: owner.delete(path).status_code)

        assert statuses.pop() == 204
        assert set(statuses) <= {201, 404}
        resource.refresh_from_db()
        assert resource.attachment_count == statuses.count(201)
        assert consistent(disk)


def test_one_attachment_is_deleted_once(disk, owner, log_in):
    clients = [log_in(owner.user) for _ in range(4)]
    for _ in range(15):
        attachment = AttachmentFactory(resource=ResourceFactory(user=owner.user))
        path = f"/api/v1/resources/{attachment.resource_id}/attachments/{attachment.pk}"
        statuses = together(
            *(lambda client=client, path=path: client.delete(path).status_code for client in clients)
        )

        assert sorted(statuses) == [204, 404, 404, 404]
        assert consistent(disk)


def test_parallel_uploads_with_one_idempotency_key_store_one_file(disk, owner, log_in):
    clients = [log_in(owner.user) for _ in range(6)]
    path = f"/api/v1/resources/{ResourceFactory(user=owner.user).pk}/attachments"
    for number in range(10):
        headers = {"Idempotency-Key": f"key-{number}"}
        statuses = together(*(send(client, path, **headers) for client in clients))

        assert set(statuses) <= {201, 409}
        assert Attachment.objects.count() == number + 1
        assert consistent(disk)
