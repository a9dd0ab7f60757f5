"""The actions of staff on another person's account in the admin, and their permissions."""

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import Session, User
from accounts.services.lockout import locks
from accounts.tests.checks import NEW_PASSWORD, access_of, event, events, lock_out, log_in_with, try_token
from accounts.tests.factories import PASSWORD, UserFactory
from core.audit.models import AuditEvent
from core.tests.office import act, allow, browser_of, errors, messages_of, url_of

pytestmark = pytest.mark.django_db

NEW = {"email": "new@example.com", "name": "New Person", "role": "user", "password": PASSWORD}


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


@pytest.fixture
def support(staff):
    """Return a browser of a staff member with every permission on users that a group can give."""
    codes = [f"accounts.{verb}_user" for verb in ("view", "add", "change", "delete")]
    return browser_of(allow(staff.user, *codes, "accounts.change_session", "accounts.view_session"))


def edit(browser, user, **changes):
    body = {"name": user.name, "role": user.role, "groups": [], **changes}
    return browser.post(url_of(user, "change"), body, follow=True)


# --- the password ---------------------------------------------------------------------------------


def set_password(browser, user, password=NEW_PASSWORD):
    body = {"new_password1": password, "new_password2": password}
    return browser.post(url_of(user, "password"), body, follow=True)


def test_a_password_set_by_staff_ends_every_session_and_is_emailed(browser, owner, deliver):
    set_password(browser, owner.user)

    assert try_token(access_of(owner)) == "TOKEN_REVOKED"
    assert log_in_with(owner.user.email, NEW_PASSWORD).status_code == 200
    assert deliver()[0].subject == "Your password was changed"
    assert event("password.changed").actor_id == browser.user.pk


def test_a_password_set_by_staff_removes_the_lock(browser, owner):
    lock_out(owner.user)
    set_password(browser, owner.user)

    assert locks([owner.user.email]) == {}


def test_setting_the_own_password_keeps_this_browser_session(browser):
    assert set_password(browser, browser.user).status_code == 200
    assert browser.get("/admin/").status_code == 200


# The last one is too short after its letters and accents are composed.
@pytest.mark.parametrize("password", ["short", "alllowercase1", "Password1", "E\u0301e\u0301e\u0301a\u03011"])
def test_a_weak_password_is_refused_in_the_form(browser, owner, password):
    assert errors(set_password(browser, owner.user, password))
    assert "password.changed" not in events()


# --- deleting -------------------------------------------------------------------------------------


def delete(browser, user):
    return browser.post(url_of(user, "delete"), {"post": "yes"}, follow=True)


def test_deleting_is_soft_and_ends_the_sessions(browser, owner):
    delete(browser, owner.user)

    assert User.objects.get(pk=owner.user.pk).deleted_at
    assert try_token(access_of(owner)) == "TOKEN_REVOKED"
    assert event("user.deleted").actor_id == browser.user.pk


def test_the_confirmation_page_shows_what_will_happen(browser, owner):
    page = browser.get(url_of(owner.user, "delete")).content.decode()

    assert "erased 30 days later" in page
    assert User.objects.not_deleted().filter(pk=owner.user.pk).exists()


def test_the_last_admin_cannot_be_deleted(browser):
    assert messages_of(delete(browser, browser.user)) == [
        "The last admin can be neither demoted, suspended nor deleted."
    ]
    assert User.objects.not_deleted().filter(pk=browser.user.pk).exists()


def test_the_list_has_no_action_that_deletes_for_good(browser, owner):
    body = {"action": "delete_selected", "_selected_action": [owner.user.pk], "post": "yes"}
    browser.post(url_of(User), body)

    assert User.objects.not_deleted().filter(pk=owner.user.pk).exists()


# --- actions --------------------------------------------------------------------------------------


def test_sessions_are_ended_everywhere(browser, owner):
    response = act(browser, "end_sessions", owner.user)

    assert messages_of(response) == ["Logged out everywhere: 1."]
    assert try_token(access_of(owner)) == "TOKEN_REVOKED"
    assert Session.objects.get(pk=owner.session_id).end_reason == "ended"
    assert event("session.all_ended").actor_id == browser.user.pk


def test_a_lock_is_removed(browser, owner):
    lock_out(owner.user)
    act(browser, "unlock", owner.user)

    assert log_in_with(owner.user.email).status_code == 200
    assert event("account.unlocked").actor_id == browser.user.pk


def test_verification_is_sent_again_to_an_unverified_user(browser, owner, deliver):
    response = act(browser, "resend_verification", owner.user, UserFactory(email_verified_at=timezone.now()))

    assert [mail.to for mail in deliver()] == [[owner.user.email]]
    assert event("email.proof_requested").actor_id == browser.user.pk
    assert messages_of(response) == ["Verification emails enqueued: 1.", "Nothing to do for 1 of the chosen."]


@pytest.mark.parametrize("action", ["end_sessions", "unlock", "resend_verification", "suspend", "unsuspend"])
def test_nothing_is_done_for_a_deleted_user(browser, action):
    gone = UserFactory()
    gone.soft_delete()

    assert messages_of(act(browser, action, gone)) == ["Nothing to do for 1 of the chosen."]
    assert AuditEvent.objects.count() == 0


# --- what staff may do ----------------------------------------------------------------------------


def test_staff_without_a_permission_see_no_users(staff):
    assert browser_of(staff.user).get(url_of(User)).status_code == 403


def test_staff_with_permissions_manage_users(support, owner):
    edit(support, owner.user, name="Other Name")
    act(support, "end_sessions", owner.user)

    assert {"user.updated", "session.all_ended"} <= set(events())


@pytest.mark.parametrize("role", ["staff", "admin"])
def test_staff_cannot_change_staff_or_admins(support, role):
    target = UserFactory(role=role)

    assert edit(support, target, name="Other Name").status_code == 403
    assert set_password(support, target).status_code == 403
    assert delete(support, target).status_code == 403
    assert messages_of(act(support, "end_sessions", target)) == [
        f"{target}: Only an admin may do this to staff."
    ]
    assert set(events()) == {"access.refused"}


def test_staff_cannot_grant_permissions(support, owner):
    group = Group.objects.create(name="Everything")
    edit(support, owner.user, role="admin", groups=[group.pk])
    support.post(url_of(User, "add"), {**NEW, "role": "admin"})

    assert not User.objects.exclude(pk=support.user.pk).exclude(role="user").exists()
    assert not owner.user.groups.exists()
    assert User.objects.get(email="new@example.com").role == "user"
