import pytest

from accounts.tests.checks import event
from core.tests.office import browser_of, errors, messages_of, rows, url_of
from resources.models import Tag
from resources.tests.factories import ResourceFactory, TagFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def found(browser, **query):
    return {row.pk for row in rows(browser.get(url_of(Tag), query))}


@pytest.fixture
def red(owner):
    ResourceFactory(user=owner.user, tags=["red"])
    return Tag.objects.get(name="red")


def test_tags_show_the_number_of_their_resources(browser, red):
    ResourceFactory(user=red.user, tags=["red"])
    ResourceFactory(user=red.user, tags=["red"]).soft_delete()
    [row] = rows(browser.get(url_of(Tag)))

    assert row.resource_count == 2


def test_tags_are_searched_by_name_and_owner(browser, red):
    TagFactory(name="blue")

    assert found(browser, q="RED") == found(browser, q=red.user.email) == {red.pk}


def test_a_rename_of_a_tag_shows_on_all_its_resources(browser, red, owner):
    browser.post(url_of(red, "change"), {"name": " Crimson "})

    assert owner.get("/api/v1/resources", {"tag": "crimson"}).json()["meta"]["total"] == 1
    assert owner.get("/api/v1/resources", {"search": "crim"}).json()["meta"]["total"] == 1
    assert event("tag.renamed").changes == {"name": ["red", "crimson"]}
    assert event("tag.renamed").actor_id == browser.user.pk


def test_a_taken_name_is_an_error_of_the_form(browser, red):
    TagFactory(user=red.user, name="crimson")
    response = browser.post(url_of(red, "change"), {"name": "crimson"}, follow=True)
    red.refresh_from_db()

    assert red.name == "red"
    assert len(errors(response)["__all__"]) == 1
    assert "tag of this name" in errors(response)["__all__"][0]


def test_a_tag_in_use_is_not_deleted(browser, red):
    response = browser.post(url_of(red, "delete"), {"post": "yes"}, follow=True)

    assert messages_of(response) == ["A resource still has this tag."]
    assert Tag.objects.filter(pk=red.pk).exists()


def test_an_unused_tag_is_deleted_and_audited(browser):
    tag = TagFactory()
    browser.post(url_of(tag, "delete"), {"post": "yes"})

    assert not Tag.objects.exists()
    assert event("tag.deleted").actor_id == browser.user.pk


def test_tags_cannot_be_added_in_the_admin(browser):
    assert browser.get(url_of(Tag, "add")).status_code == 403
