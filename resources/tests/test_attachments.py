"""The endpoints of attachments, on the disk and in a bucket."""

from urllib.parse import quote

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.audit.models import AuditEvent
from core.files.models import StoredFile
from core.outbox import services as outbox
from core.tests import samples
from core.tests.answers import code, problems
from core.tests.samples import upload
from resources.models import Attachment
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

FIELDS = ["id", "filename", "contentType", "size", "width", "height", "url", "thumbnailUrl", "createdAt"]


@pytest.fixture
def resource(owner):
    return ResourceFactory(user=owner.user)


@pytest.fixture
def path(resource):
    return f"/api/v1/resources/{resource.pk}"


def attach(caller, path, content=b"Hello", name="hello.txt", **headers):
    return caller.post(f"{path}/attachments", upload(content, name), format="multipart", headers=headers)


def test_a_text_is_stored_as_it_is(storage, owner, path):
    response = attach(owner, path, "Grüße\n".encode(), "grüße.txt")
    data = response.json()["data"]

    assert response.status_code == 201
    assert list(data) == FIELDS
    assert (data["filename"], data["contentType"], data["size"]) == ("grüße.txt", "text/plain", 8)
    assert data["width"] is data["height"] is data["thumbnailUrl"] is None
    status, headers, body = storage.fetch(data["url"])
    assert (status, body) == (200, "Grüße\n".encode())
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Content-Disposition"] == (
        "attachment; filename=\"gr__e.txt\"; filename*=utf-8''gr%C3%BC%C3%9Fe.txt"
    )


def test_an_image_comes_with_a_thumbnail(storage, owner, path):
    data = attach(owner, path, samples.photo(800, 600), "home.jpg").json()["data"]

    assert (data["contentType"], data["width"], data["height"]) == ("image/jpeg", 800, 600)
    assert samples.opened(storage.fetch(data["url"])[2]).size == (800, 600)
    status, headers, body = storage.fetch(data["thumbnailUrl"])
    assert (status, headers["Content-Type"], samples.opened(body).size) == (200, "image/jpeg", (320, 240))
    assert headers["Content-Disposition"] == "inline; filename=\"home.jpg\"; filename*=utf-8''home.jpg"


@pytest.mark.parametrize(
    ("content", "name", "shown", "disposition"),
    [
        (b"@echo off", "invoice.bat", "invoice.txt", 'attachment; filename="invoice.txt"'),
        (b"@echo off", "invoice%2Ebat", "invoice_2Ebat", 'attachment; filename="invoice_2Ebat"'),
        (b"@echo off", "inv\uff0ebat", "inv.txt", 'attachment; filename="inv.txt"'),
        (b"x", "=?utf-8?Q?a=2Ehtml?=", "=_utf-8?Q?a=2Ehtml_=", 'attachment; filename="=_utf-8_Q_a=2Ehtml_="'),
        (b"alert(1)", "grüße.JS", "grüße.txt", 'attachment; filename="gr__e.txt"'),
        (samples.png(), "a.html", "a.png", 'inline; filename="a.png"'),
    ],
)
def test_the_name_has_the_extension_of_the_type(storage, owner, path, content, name, shown, disposition):
    data = attach(owner, path, content, name).json()["data"]

    assert data["filename"] == shown
    assert (
        storage.fetch(data["url"])[1]["Content-Disposition"]
        == f"{disposition}; filename*=utf-8''{quote(shown)}"
    )
    assert AuditEvent.objects.get(event="attachment.created").changes == {"attachments": [None, shown]}


def test_a_thumbnail_has_the_extension_of_its_own_type(storage, owner, path):
    data = attach(owner, path, samples.png(mode="RGB"), "a.png").json()["data"]
    headers = storage.fetch(data["thumbnailUrl"])[1]

    assert headers["Content-Type"] == "image/jpeg"
    assert headers["Content-Disposition"] == "inline; filename=\"a.jpg\"; filename*=utf-8''a.jpg"


def test_serves_a_range_of_the_file(storage, owner, path):
    url = attach(owner, path, b"0123456789", "digits.txt").json()["data"]["url"]
    status, headers, body = storage.fetch(url, Range="bytes=2-5")

    assert (status, body, headers["Content-Range"]) == (206, b"2345", "bytes 2-5/10")


def test_the_resource_shows_attachments_in_the_order_of_creation(storage, owner, path):
    first = attach(owner, path).json()["data"]
    second = attach(owner, path, samples.png(), "a.png").json()["data"]
    shown = owner.get(path).json()["data"]["attachments"]
    listed = owner.get(f"{path}/attachments").json()

    assert [item["id"] for item in shown] == [first["id"], second["id"]]
    assert [item["id"] for item in listed["data"]] == [first["id"], second["id"]]
    assert listed["meta"] == {"page": 1, "limit": 20, "total": 2, "totalPages": 1}
    assert storage.fetch(shown[1]["url"])[0] == 200


def test_deleting_an_attachment_deletes_its_bytes(storage, owner, path):
    item = attach(owner, path, samples.png(), "a.png").json()["data"]
    assert len(storage.names()) == 2
    response = owner.delete(f"{path}/attachments/{item['id']}")
    outbox.drain()

    assert (response.status_code, response.content) == (204, b"")
    assert owner.get(path).json()["data"]["attachments"] == []
    assert storage.fetch(item["url"])[0] in {403, 404}  # a bucket may not reveal what it does not have
    assert (storage.names(), StoredFile.objects.count()) == ([], 0)


def test_an_attachment_is_read_by_its_path(disk, owner, path):
    response = attach(owner, path)
    again = owner.get(response["Location"])

    assert again.status_code == 200
    assert {**again.json()["data"], "url": ""} == {**response.json()["data"], "url": ""}
    assert owner.get(response["Location"], headers={"If-None-Match": again["ETag"]}).status_code == 304
    assert owner.delete(response["Location"], headers={"If-Match": '"v2"'}).status_code == 412
    assert owner.delete(response["Location"], headers={"If-Match": again["ETag"]}).status_code == 204


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_attachments_of_others_are_a_404(disk, owner, stranger, path, method):
    item = attach(owner, path).json()["data"]["id"]
    tail = f"/{item}" if method == "delete" else ""
    body = {"data": upload(b"x"), "format": "multipart"} if method == "post" else {}
    response = getattr(stranger, method)(f"{path}/attachments{tail}", **body)

    assert code(response) == (404, "NOT_FOUND")
    assert Attachment.objects.count() == 1


def test_an_attachment_below_another_resource_is_a_404(disk, owner, path):
    other = ResourceFactory(user=owner.user)
    item = attach(owner, path).json()["data"]["id"]

    assert owner.get(f"/api/v1/resources/{other.pk}/attachments/{item}").status_code == 404
    assert owner.delete(f"/api/v1/resources/{other.pk}/attachments/{item}").status_code == 404


def test_a_resource_in_the_trash_has_no_attachments_endpoint(disk, owner, path):
    attach(owner, path)
    owner.delete(path)

    assert owner.get(f"{path}/attachments").status_code == 404
    assert attach(owner, path).status_code == 404
    assert len(owner.post(f"{path}/restore").json()["data"]["attachments"]) == 1


def test_an_attachment_by_an_admin_belongs_to_the_owner_of_the_resource(disk, owner, admin, path):
    attach(admin, path)

    assert StoredFile.objects.get().user == owner.user
    assert len(owner.get(path).json()["data"]["attachments"]) == 1


def test_lists_do_not_show_attachments(disk, owner, path):
    attach(owner, path)

    assert "attachments" not in owner.get("/api/v1/resources").json()["data"][0]


def test_attachments_change_the_version_and_are_in_the_history(disk, owner, resource, path):
    before = owner.get(path)["ETag"]
    item = attach(owner, path).json()["data"]["id"]
    stale = owner.patch(path, {"title": "New"}, headers={"If-Match": before})
    owner.delete(f"{path}/attachments/{item}")

    assert stale.status_code == 412
    resource.refresh_from_db()
    assert (resource.version, resource.attachment_count) == (3, 0)
    events = AuditEvent.objects.filter(target_id=resource.pk).order_by("id")
    assert [(event.event, event.changes) for event in events] == [
        ("attachment.created", {"attachments": [None, "hello.txt"]}),
        ("attachment.deleted", {"attachments": ["hello.txt", None]}),
    ]


def test_writes_return_attachments_and_do_not_audit_them_as_changed(disk, owner, path):
    attach(owner, path)
    response = owner.patch(path, {"title": "New"})

    assert len(response.json()["data"]["attachments"]) == 1
    changes = AuditEvent.objects.get(event="resource.updated").changes
    assert set(changes) == {"title"}


def test_the_etag_is_valid_as_long_as_the_urls_in_the_response(disk, owner, path):
    attach(owner, path)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        first, same = owner.get(path), owner.get(path)
        clock.shift(239)
        again = owner.get(path, headers={"If-None-Match": first["ETag"]})
        clock.shift(1)
        new = owner.get(path, headers={"If-None-Match": first["ETag"]})

    assert (same["ETag"], same.content) == (first["ETag"], first.content)
    assert (again.status_code, again["ETag"]) == (304, first["ETag"])
    assert new.status_code == 200
    assert (new["ETag"], new.content) != (first["ETag"], first.content)
    assert owner.patch(path, {"title": "x"}, headers={"If-Match": first["ETag"]}).status_code == 200


def test_without_attachments_a_resource_costs_no_further_query(disk, owner, path):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            owner.get(path)
        return len(queries)

    without = cost()
    attach(owner, path)
    with_one = cost()
    attach(owner, path, samples.png(), "b.png")

    assert (with_one, cost()) == (without + 1, without + 1)


def test_a_resource_has_at_most_twenty_attachments(disk, owner, path, resource):
    resource.attachment_count = 20
    resource.save_changes("attachment_count")

    assert code(attach(owner, path)) == (409, "CONFLICT")
    assert disk.names() == []


def test_a_repeated_upload_with_one_idempotency_key_attaches_once(storage, owner, path):
    headers = {"Idempotency-Key": "k1"}
    first = attach(owner, path, **headers)
    again = attach(owner, path, **headers)
    other = attach(owner, path, b"Something else", **headers)

    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again["Idempotency-Replayed"] == "true"
    assert code(other) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert (len(storage.names()), Attachment.objects.count()) == (1, 1)


def test_a_missing_file_is_named(disk, owner, path):
    url = f"{path}/attachments"

    assert problems(owner.post(url, {"other": "x"}, format="multipart")) == {"file": "required"}
    assert problems(owner.post(url, {"file": "text"}, format="multipart")) == {"file": "required"}
    assert problems(attach(owner, path, b"")) == {"file": "empty"}
    assert code(owner.post(url, {"file": "x"})) == (415, "UNSUPPORTED_MEDIA_TYPE")
