"""Webhooks of resources: attachments, tags, and writes in the admin."""

import pytest

from core.tests.factories import WebhookFactory
from core.tests.office import browser_of, url_of
from core.tests.samples import upload
from core.webhooks.delivering import deliver_due
from core.webhooks.tests.receiver import receiver, verified
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def received(owner, settings):
    """Return a function that delivers the events of the owner, and returns them."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    with receiver() as endpoint:
        webhook = WebhookFactory(user=owner.user, url=endpoint.url)

        def events():
            seen = len(endpoint.requests)
            deliver_due()
            bodies = [verified(request, webhook.shown_secret) for request in endpoint.requests[seen:]]
            return [(body["type"], body["data"]) for body in bodies]

        yield events


def test_an_attachment_is_an_event_of_its_resource(owner, received):
    path = f"/api/v1/resources/{ResourceFactory(user=owner.user).pk}"
    made = owner.post(f"{path}/attachments", upload(b"text", "a.txt"), format="multipart").json()["data"]
    ((name, data),) = received()

    assert name == "attachment.created"
    assert [attachment["id"] for attachment in data["attachments"]] == [made["id"]]
    owner.delete(f"{path}/attachments/{made['id']}")
    ((name, data),) = received()
    assert (name, data["attachments"]) == ("attachment.deleted", [])


def test_a_tag_has_an_event_of_its_own(owner, received):
    owner.post("/api/v1/resources", {"title": "One", "tags": ["old"]})
    received()
    (tag,) = owner.get("/api/v1/tags").json()["data"]
    owner.patch(f"/api/v1/tags/{tag['id']}", {"name": "new"})

    assert ("tag.renamed", "new") in [(name, data.get("name")) for name, data in received()]


def test_a_write_in_the_admin_is_an_event_for_the_owner(admin, owner, received):
    resource = ResourceFactory(user=owner.user)
    browser_of(admin.user).post(url_of(resource, "delete"), {"post": "yes"})

    assert [(name, data["id"]) for name, data in received()] == [("resource.deleted", str(resource.pk))]
