"""A form of the admin whose row has changed since: both versions are shown, and submitted values are not lost."""

import threading

import pytest
from django.db import connection

from core.audit.models import AuditEvent
from core.tests.office import browser_of, errors, url_of
from resources.models import Resource
from resources.tests.factories import ResourceFactory, TagFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def values(response):
    """Return what the browser would send from this page."""
    form = response.context["adminform"].form
    return {name: form[name].value() or "" for name in form.fields if name != "user"}


@pytest.fixture
def resource(owner):
    return ResourceFactory(user=owner.user, title="Old", content="old", tags=["a"])


@pytest.fixture
def stale(browser, owner, resource):
    """Save a form that is out of date; return the page."""
    sent = values(browser.get(url_of(resource, "change")))
    changes = {"title": "Theirs", "content": "their text", "tags": ["a", "theirs"]}
    assert owner.patch(f"/api/v1/resources/{resource.pk}", changes).status_code == 200
    sent |= {"title": "Mine", "content": "my text", "tag_names": "a\nmine", "status": "published"}
    return browser.post(url_of(resource, "change"), sent)


def test_nothing_is_overwritten(stale, resource):
    resource.refresh_from_db()

    assert (resource.title, resource.content, resource.status) == ("Theirs", "their text", "draft")
    assert "saved this meanwhile" in errors(stale)["__all__"][0]


def test_the_submitted_values_remain_in_the_form(stale):
    sent = values(stale)

    assert (sent["title"], sent["content"], sent["tag_names"]) == ("Mine", "my text", "a\nmine")
    assert sent["status"] == "published"


def test_both_versions_are_shown_where_they_differ(stale):
    differences = {row.label: (row.stored, row.typed) for row in stale.context["adminform"].form.conflict}

    assert differences == {
        "Title": ("Theirs", "Mine"),
        "Content": ("their text", "my text"),
        "Status": ("Draft", "Published"),
        "Tags": ("a\ntheirs", "a\nmine"),
    }
    assert "<pre>their text</pre>" in stale.content.decode()


def test_a_second_save_overwrites_the_other_version(stale, browser, resource):
    response = browser.post(url_of(resource, "change"), values(stale))
    resource.refresh_from_db()

    assert response.status_code == 302
    assert (resource.title, resource.content, resource.status) == ("Mine", "my text", "published")
    event = AuditEvent.objects.filter(event="resource.updated", actor_id=browser.user.pk).get()
    assert event.changes["title"] == ["Theirs", "Mine"]


def test_a_further_change_before_the_second_save_is_shown_again(stale, browser, resource, owner):
    owner.patch(f"/api/v1/resources/{resource.pk}", {"title": "Theirs again"})
    response = browser.post(url_of(resource, "change"), values(stale))

    assert response.context["adminform"].form.conflict[0].stored == "Theirs again"
    assert values(response)["title"] == "Mine"


def test_values_that_are_stored_already_are_no_conflict(browser, owner, resource):
    sent = values(browser.get(url_of(resource, "change")))
    owner.patch(f"/api/v1/resources/{resource.pk}", {"title": "Same"})

    assert browser.post(url_of(resource, "change"), {**sent, "title": "Same"}).status_code == 302


def test_a_submitted_invalid_value_remains_in_the_form(browser, owner, resource):
    sent = values(browser.get(url_of(resource, "change")))
    owner.patch(f"/api/v1/resources/{resource.pk}", {"title": "Theirs"})
    response = browser.post(url_of(resource, "change"), {**sent, "title": "x" * 256})

    assert {"title", "__all__"} == set(errors(response))
    assert values(response)["title"] == "x" * 256


def test_values_that_a_service_refuses_remain_in_the_form(browser):
    red = TagFactory(name="red")
    TagFactory(user=red.user, name="crimson")
    response = browser.post(url_of(red, "change"), {"name": "crimson"})

    assert errors(response)["__all__"]
    assert values(response)["name"] == "crimson"


@pytest.mark.django_db(transaction=True)
def test_of_two_forms_saved_at_once_one_is_shown_the_other(browser):
    resource = ResourceFactory(title="Old")
    sent = values(browser.get(url_of(resource, "change")))
    start, responses = threading.Barrier(2), {}

    def save(title):
        start.wait()
        own = browser_of(browser.user)
        responses[title] = own.post(url_of(resource, "change"), {**sent, "title": title})
        connection.close()

    threads = [threading.Thread(target=save, args=[title]) for title in ("One", "Two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    saved, refused = sorted(responses.values(), key=lambda response: -response.status_code)

    assert (saved.status_code, refused.status_code) == (302, 200)
    winner = Resource.objects.get(pk=resource.pk).title
    [difference] = refused.context["adminform"].form.conflict
    assert (difference.stored, difference.typed) == (winner, ({"One", "Two"} - {winner}).pop())
