"""A key pasted into the search box of a list finds its rows."""

import pytest
from django.contrib.auth.models import Group

from accounts.models import Session, User
from accounts.tests.factories import UserFactory
from config.tests.office import registered, rows_of_all
from config.tests.rows import factory_of
from core.audit.models import AuditEvent
from core.jobs.models import Job
from core.outbox.models import OutboxMessage
from core.tests.factories import AuditEventFactory, OutboxMessageFactory
from core.tests.office import browser_of, messages_of, rows, url_of
from resources.models import Attachment, Resource, Tag
from resources.tests.factories import AttachmentFactory, ResourceFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("disk")]

WITH_KEYS = [model for model in registered() if model is not Group]  # a group has a number


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


@pytest.fixture
def stored(owner):
    return rows_of_all(owner.user)


def search(browser, model, text):
    return rows(browser.get(url_of(model), {"q": text}))


@pytest.mark.parametrize("spelling", [str, lambda key: key.hex, lambda key: f" {str(key).upper()}\t"])
@pytest.mark.parametrize("model", WITH_KEYS, ids=lambda model: model.__name__)
def test_a_row_is_found_by_its_key(model, spelling, browser, stored):
    rows_of_all(browser.user)  # others

    assert search(browser, model, spelling(stored[model].pk)) == [stored[model]]


@pytest.mark.parametrize("model", [User, Session, Resource, Tag, Job])
def test_rows_of_a_person_are_found_by_their_key(model, browser, stored, owner):
    rows_of_all(browser.user)
    row = stored[model] if model is not User else owner.user

    assert row in search(browser, model, str(owner.user.pk))
    owners = {getattr(row, "user_id", row.pk) for row in search(browser, model, str(owner.user.pk))}
    assert owners == {owner.user.pk}


def test_an_attachment_is_found_by_its_owner_its_resource_and_its_file(browser):
    attachment, _other = AttachmentFactory(), AttachmentFactory()
    resource = attachment.resource
    for key in (resource.user_id, resource.pk, attachment.file_id, attachment.pk):
        assert search(browser, Attachment, str(key)) == [attachment]


def test_messages_are_found_by_the_person_in_their_payload(browser, owner):
    message = OutboxMessageFactory(payload={"user": str(owner.user.pk)})
    OutboxMessageFactory(payload={"user": str(browser.user.pk)})

    for text in (str(owner.user.pk), owner.user.pk.hex):
        assert search(browser, OutboxMessage, text) == [message]


@pytest.mark.parametrize("column", ["actor_id", "subject_id", "target_id", "id"])
def test_events_are_found_by_each_of_their_keys(browser, owner, column):
    event = AuditEventFactory(**{column: owner.user.pk})
    AuditEventFactory()

    assert search(browser, AuditEvent, str(owner.user.pk)) == [event]


@pytest.mark.parametrize("text", ["asked-1", "asked.by_Me-2", "0" * 31 + "a", "x" * 64])
@pytest.mark.parametrize("model", [Job, OutboxMessage, AuditEvent])
def test_rows_are_found_by_the_request_that_made_them(model, text, browser, owner):
    values = {"user": owner.user} if model is Job else {}
    made = factory_of(model)(request_id=text, **values)

    assert search(browser, model, text) == [made]


@pytest.mark.parametrize("model", [User, Session, Resource, Tag])
def test_other_rows_are_found_by_the_events_of_the_request(model, browser, stored):
    rows_of_all(browser.user)
    row = stored[model]
    AuditEventFactory(request_id="asked-1", target_type=row._meta.label_lower, target_id=row.pk)

    assert search(browser, model, "asked-1") == [row]
    assert search(browser, model, "asked-2") == []


def test_an_attachment_is_found_by_the_event_about_its_resource(browser):
    attachment, _other = AttachmentFactory(), AttachmentFactory()
    AuditEventFactory(
        event="attachment.created",
        request_id="asked-1",
        target_type="resource",
        target_id=attachment.resource_id,
    )

    assert search(browser, Attachment, "asked-1") == [attachment]


def test_a_resource_is_found_by_the_request_id_of_its_creation(browser, owner):
    response = owner.post(
        "/api/v1/resources", {"title": "New", "tags": ["ideas"]}, headers={"X-Request-ID": "asked-1"}
    )

    assert [str(row.pk) for row in search(browser, Resource, "asked-1")] == [response.json()["data"]["id"]]


def test_a_key_of_no_row_is_searched_in_texts(browser):
    key = "01890000-0000-7000-8000-000000000000"
    resource = ResourceFactory(title=f"About {key}")

    assert search(browser, Resource, key) == [resource]


@pytest.mark.parametrize("model", registered(), ids=lambda model: model.__name__)
def test_a_search_that_is_too_long_finds_nothing_and_shows_why(model, browser, stored):
    response = browser.get(url_of(model), {"q": "x" * 201})

    assert rows(response) == []
    assert messages_of(response) == ["A search has at most 200 characters, and few combining marks in a row."]


def test_an_owner_is_found_by_autocomplete(admin):
    UserFactory(email="jg@xn--bcher-kva.example")
    browser = browser_of(admin.user)
    field = {"app_label": "resources", "model_name": "resource", "field_name": "user"}

    search = browser.get("/admin/autocomplete/", {**field, "term": "BÜCHER"}).json()["results"]

    assert [choice["text"] for choice in search] == ["jg@xn--bcher-kva.example"]
