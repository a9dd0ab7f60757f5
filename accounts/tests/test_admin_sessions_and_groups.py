import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from accounts.models import Session
from accounts.tests.checks import access_of, event, events, try_token
from accounts.tests.factories import SessionFactory
from core.tests.office import act, allow, browser_of, messages_of, queries_of, rows, url_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


@pytest.fixture
def support(staff):
    return browser_of(allow(staff.user, "accounts.view_session", "accounts.change_session"))


# --- sessions -------------------------------------------------------------------------------------


def search(browser, **query):
    return {session.pk for session in rows(browser.get(url_of(Session), query))}


def test_live_and_ended_sessions_can_be_filtered(browser, admin):
    live = SessionFactory()
    ended = SessionFactory(ended_at=timezone.now(), end_reason="logout")
    expired = SessionFactory(expires_at=timezone.now())

    assert search(browser, state="live") == {live.pk, admin.session_id}
    assert search(browser, state="over") == {ended.pk, expired.pk}


def test_sessions_are_searched_by_ip_address_and_owner(browser):
    mine = SessionFactory(user__email="ann@example.com")
    there = SessionFactory(ip_address="192.0.2.77")

    assert search(browser, q="ann@") == {mine.pk}
    assert search(browser, q="192.0.2.7") == {there.pk}
    assert search(browser, user__id__exact=mine.user_id) == {mine.pk}


def test_a_session_is_ended_at_once(browser, owner):
    act(browser, "end", Session.objects.get(pk=owner.session_id))

    assert try_token(access_of(owner)) == "TOKEN_REVOKED"
    assert (event("session.ended").actor_id, event("session.ended").target_id) == (
        browser.user.pk,
        owner.session_id,
    )


def test_an_ended_session_is_not_ended_again(browser):
    ended = SessionFactory(ended_at=timezone.now(), end_reason="logout")

    assert messages_of(act(browser, "end", ended)) == ["Nothing to do for 1 of the chosen."]
    assert events() == []


def test_staff_end_sessions_of_users_only(support, owner, admin):
    mine, theirs = (Session.objects.get(pk=caller.session_id) for caller in (owner, admin))
    response = act(support, "end", mine, theirs)

    assert (try_token(access_of(owner)), try_token(access_of(admin))) == ("TOKEN_REVOKED", "accepted")
    assert any("Only an admin" in message for message in messages_of(response))


def test_the_view_permission_alone_ends_no_session(staff, owner):
    browser = browser_of(allow(staff.user, "accounts.view_session"))
    act(browser, "end", Session.objects.get(pk=owner.session_id))

    assert try_token(access_of(owner)) == "accepted"


@pytest.mark.parametrize("page", ["add", "delete"])
def test_sessions_are_neither_added_nor_deleted(browser, page):
    assert browser.get(url_of(SessionFactory(), page)).status_code == 403


def test_a_session_is_shown_read_only_without_its_secrets(browser):
    session = SessionFactory(user_agent="<i>Firefox</i>")
    page = browser.get(url_of(session, "change")).content.decode()

    assert "&lt;i&gt;Firefox" in page
    assert session.refresh_hash not in page
    assert browser.post(url_of(session, "change"), {"end_reason": "x"}).status_code == 403


def test_the_number_of_queries_of_the_list_does_not_grow(browser):
    few = queries_of(browser, url_of(Session))
    SessionFactory.create_batch(5)

    assert queries_of(browser, url_of(Session)) == few


# --- groups ---------------------------------------------------------------------------------------


def permission(code):
    return Permission.objects.get(codename=code)


def test_a_group_is_created_and_audited(browser):
    browser.post(url_of(Group, "add"), {"name": "Support", "permissions": [permission("view_user").pk]})

    assert Group.objects.get(name="Support").permissions.get() == permission("view_user")
    assert event("group.created").actor_id == browser.user.pk
    assert event("group.created").changes == {
        "name": [None, "Support"],
        "permissions": [None, ["accounts.view_user"]],
    }


def test_a_change_of_permissions_is_audited_with_before_and_after(browser):
    group = Group.objects.create(name="Support")
    browser.post(url_of(group, "change"), {"name": "Support", "permissions": [permission("change_user").pk]})

    assert event("group.updated").changes == {"permissions": [[], ["accounts.change_user"]]}


def test_saving_a_group_without_a_change_is_no_event(browser):
    group = Group.objects.create(name="Support")
    browser.post(url_of(group, "change"), {"name": "Support"})

    assert events() == []


def test_a_group_is_deleted_and_audited(browser):
    browser.post(url_of(Group.objects.create(name="Support"), "delete"), {"post": "yes"})

    assert not Group.objects.filter(name="Support").exists()
    assert event("group.deleted").changes == {"name": ["Support", None]}


def test_staff_cannot_extend_their_own_group(staff):
    allow(staff.user, "auth.view_group", "auth.add_group", "auth.change_group", "auth.delete_group")
    browser, group = browser_of(staff.user), staff.user.groups.get()

    assert browser.get(url_of(group, "change")).status_code == 200
    assert browser.post(url_of(group, "change"), {"name": "x"}).status_code == 403
    assert browser.get(url_of(group, "add")).status_code == 403
    assert browser.post(url_of(group, "delete"), {"post": "yes"}).status_code == 403
