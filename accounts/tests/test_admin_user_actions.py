"""The actions on the page of a user: what each does, and what it leaves in the audit log."""

import pytest
from django.utils import timezone

from accounts.models import Session, User
from accounts.services.lockout import locks
from accounts.services.passwords import send_reset_link
from accounts.tests.checks import access_of, event, events, lock_out, log_in_with, token_in, try_token
from core.outbox.models import OutboxMessage
from core.tests.office import address_of, allow, browser_of, do, messages_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def changes(*names):
    return [name for name in events() if not name.endswith(".viewed") and name in names]


def test_a_confirmation_states_what_will_happen_and_changes_nothing(browser, owner):
    page = browser.get(address_of(owner.user, "suspend")).content.decode()

    assert "cannot log in until the account is" in page
    assert owner.user.email in page
    assert User.objects.get(pk=owner.user.pk).is_active
    assert events() == ["user.viewed"]


def test_what_somebody_else_has_done_is_no_error(browser, owner):
    address = address_of(owner.user, "unsuspend")

    assert "There is nothing to do" in browser.get(address).content.decode()
    assert messages_of(do(browser, "unsuspend", owner.user)) == ["There was nothing to do."]


def test_the_helpdesk_unlocks(helpdesk, owner):
    lock_out(owner.user)
    response = do(helpdesk, "unlock", owner.user)

    assert messages_of(response) == [f"{owner.user}: Unlocked."]
    assert locks([owner.user.email]) == {}
    assert event("account.unlocked").actor_id == helpdesk.user.pk


def test_the_helpdesk_sends_a_reset_link(helpdesk, owner, deliver):
    do(helpdesk, "send_reset_link", owner.user)
    [mail] = deliver()

    assert mail.to == [owner.user.email]
    assert token_in(mail)
    assert event("password.reset_requested").actor_id == helpdesk.user.pk
    assert event("password.reset_requested").subject_id == owner.user.pk


def test_no_reset_link_is_sent_to_the_suspended(browser, owner):
    User.objects.filter(pk=owner.user.pk).update(suspended_at=timezone.now())

    assert messages_of(do(browser, "send_reset_link", owner.user)) == ["There was nothing to do."]
    assert not send_reset_link(user=owner.user, actor=browser.user)
    assert not OutboxMessage.objects.exists()


def test_the_helpdesk_ends_all_sessions(helpdesk, owner):
    do(helpdesk, "end_sessions", owner.user)

    assert try_token(access_of(owner)) == "TOKEN_REVOKED"
    assert event("session.all_ended").actor_id == helpdesk.user.pk


def test_the_helpdesk_ends_one_session_of_a_user_only(helpdesk, staff, owner, admin):
    allow(staff.user, "accounts.view_session")
    browser = browser_of(User.objects.get(pk=staff.user.pk))
    mine, theirs = (Session.objects.get(pk=caller.session_id) for caller in (owner, admin))
    do(browser, "end", mine)
    response = do(browser, "end", theirs)

    assert (try_token(access_of(owner)), try_token(access_of(admin))) == ("TOKEN_REVOKED", "accepted")
    assert messages_of(response) == ["Only an admin may do this to staff."]
    assert "access.refused" in events()


def test_a_pending_address_is_cancelled(browser, owner):
    User.objects.filter(pk=owner.user.pk).update(pending_email="new@example.com")
    do(browser, "cancel_email_change", owner.user)

    assert User.objects.get(pk=owner.user.pk).pending_email is None
    assert event("email.change_cancelled").actor_id == browser.user.pk


def test_an_account_is_suspended_and_unsuspended(browser, owner):
    do(browser, "suspend", owner.user)
    assert log_in_with(owner.user.email).status_code == 403
    do(browser, "unsuspend", owner.user)

    assert log_in_with(owner.user.email).status_code == 200
    assert changes("user.suspended", "user.unsuspended") == ["user.suspended", "user.unsuspended"]


@pytest.mark.parametrize("role", ["staff", "admin"])
def test_an_admin_changes_a_role(browser, owner, role):
    do(browser, f"make-{role}", owner.user)
    changed = event("user.role_changed")

    assert User.objects.get(pk=owner.user.pk).role == role
    assert (changed.actor_id, changed.changes) == (browser.user.pk, {"role": ["user", role]})


@pytest.mark.parametrize("name", ["make-user", "suspend"])
def test_the_last_admin_keeps_role_and_status(browser, name):
    response = do(browser, name, browser.user)

    assert messages_of(response) == ["The last admin can be neither demoted, suspended nor deleted."]
    assert User.objects.active().get(pk=browser.user.pk).is_superuser
