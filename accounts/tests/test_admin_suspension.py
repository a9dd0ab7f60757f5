"""Suspension in the admin: by whom, and what a suspended member of staff sees."""

import pytest
from django.utils import timezone

from accounts.models import Session, User
from accounts.tests.checks import API, NEW_PASSWORD, access_of, events, log_in_with, refusal, try_token
from accounts.tests.factories import PASSWORD, UserFactory
from core.tests.office import act, allow, browser_of, choose, messages_of, needs_confirmation, rows, url_of

pytestmark = pytest.mark.django_db

SUSPENDED = (403, "ACCOUNT_SUSPENDED")


def set_status(admin, user, status="suspended"):
    assert admin.patch(f"{API}/users/{user.pk}", {"status": status}).status_code == 200


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def test_the_admin_suspends_and_unsuspends_after_a_confirmation(browser, owner, stranger):
    assert needs_confirmation(choose(browser, "suspend", owner.user))
    assert User.objects.get(pk=owner.user.pk).is_active

    assert messages_of(act(browser, "suspend", owner.user)) == ["Suspended: 1."]
    assert try_token(access_of(owner)) == "TOKEN_REVOKED"
    again = messages_of(act(browser, "suspend", owner.user, stranger.user))
    assert again == ["Suspended: 1.", "Nothing to do for 1 of the chosen."]

    assert needs_confirmation(choose(browser, "unsuspend", owner.user))
    assert messages_of(act(browser, "unsuspend", owner.user)) == ["Unsuspended: 1."]
    assert User.objects.get(pk=owner.user.pk).is_active


def test_the_last_admin_cannot_be_suspended_in_the_admin(browser):
    [refused] = messages_of(act(browser, "suspend", browser.user))

    assert "The last admin can be neither demoted, suspended nor deleted." in refused
    assert User.objects.get(pk=browser.user.pk).is_active


def test_staff_suspend_whom_they_outrank(staff, owner, admin):
    support = browser_of(allow(staff.user, "accounts.view_user", "accounts.change_user"))

    refused = f"{admin.user}: Only an admin may do this to staff."
    assert messages_of(act(support, "suspend", owner.user, admin.user)) == [refused, "Suspended: 1."]


def test_staff_without_the_permission_have_no_such_action(staff, owner):
    viewer = browser_of(allow(staff.user, "accounts.view_user"))
    for action in ("suspend", "unsuspend"):
        act(viewer, action, owner.user)

    assert User.objects.get(pk=owner.user.pk).is_active
    assert "user.suspended" not in events()


def test_a_suspended_admin_is_logged_out_of_the_admin(browser, log_in):
    boss = log_in(UserFactory(role="admin"))
    set_status(boss, browser.user)

    assert browser.get("/admin/").status_code == 302


def test_the_login_form_says_so_to_who_knows_the_password(browser, admin, client, log_in):
    set_status(log_in(UserFactory(role="admin")), admin.user)
    body = {"username": admin.user.email, "password": PASSWORD}

    right = client.post("/admin/login/", body).content.decode()
    wrong = client.post("/admin/login/", body | {"password": "Wr0ng-password"}).content.decode()

    assert "This account is suspended." in right
    assert "suspended" not in wrong
    assert client.get("/admin/").status_code == 302


def test_the_list_shows_and_filters_the_suspended(browser, admin, owner):
    set_status(admin, owner.user)

    url = url_of(User)
    assert rows(browser.get(url, {"suspended": "yes"})) == [owner.user]
    assert owner.user not in rows(browser.get(url, {"suspended": "no"}))
    assert f"suspended {timezone.now():%Y-%m-%d}" in browser.get(url).content.decode()


def test_no_verification_is_sent_to_the_suspended(browser, admin, owner, deliver):
    set_status(admin, owner.user)

    assert messages_of(act(browser, "resend_verification", owner.user)) == [
        "Nothing to do for 1 of the chosen."
    ]
    assert deliver() == []


def test_a_password_that_staff_set_does_not_end_the_suspension(browser, admin, owner):
    set_status(admin, owner.user)
    body = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    browser.post(url_of(owner.user, "password"), body, follow=True)

    assert refusal(log_in_with(owner.user.email, NEW_PASSWORD)) == SUSPENDED
    assert not Session.objects.live().filter(user=owner.user).exists()
