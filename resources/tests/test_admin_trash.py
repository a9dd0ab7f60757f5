import pytest

from accounts.tests.checks import event
from core.tests.office import act, allow, browser_of, messages_of, url_of
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def stored(resource):
    return Resource.objects.with_tags().get(pk=resource.pk)


def test_deleting_moves_to_the_trash(browser, owner):
    resource = ResourceFactory(user=owner.user)
    browser.post(url_of(resource, "delete"), {"post": "yes"})

    assert owner.get(f"/api/v1/resources/{resource.pk}").status_code == 404
    assert stored(resource).deleted_at
    assert event("resource.deleted").actor_id == browser.user.pk


def test_many_are_moved_to_the_trash_at_once(browser):
    trashed, other = ResourceFactory(), ResourceFactory()
    trashed.soft_delete()
    response = act(browser, "move_to_trash", trashed, other)

    assert messages_of(response) == ["Moved to the trash: 1.", "Nothing to do for 1 of the chosen."]
    assert stored(other).deleted_at


def test_a_resource_is_restored(browser, owner):
    resource = ResourceFactory(user=owner.user)
    resource.soft_delete()
    act(browser, "restore", resource)

    assert owner.get(f"/api/v1/resources/{resource.pk}").status_code == 200
    assert event("resource.restored").actor_id == browser.user.pk


def test_nothing_is_restored_for_a_deleted_user(browser):
    resource = ResourceFactory()
    resource.soft_delete()
    resource.user.soft_delete()
    act(browser, "restore", resource)

    assert stored(resource).deleted_at


def test_a_resource_in_the_trash_is_read_only(browser):
    resource = ResourceFactory(tags=["red", "blue"])
    resource.soft_delete()

    assert "red, blue" in browser.get(url_of(resource, "change")).content.decode()
    assert browser.post(url_of(resource, "change"), {"title": "New"}).status_code == 403
    assert browser.get(url_of(resource, "delete")).status_code == 403


def test_the_view_permission_alone_moves_nothing_to_the_trash(staff):
    resource = ResourceFactory()
    browser = browser_of(allow(staff.user, "resources.view_resource"))
    act(browser, "move_to_trash", resource)

    assert stored(resource).deleted_at is None
    assert browser.post(url_of(resource, "change"), {"title": "New"}).status_code == 403
