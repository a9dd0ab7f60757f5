"""The buttons on the page of a user: who sees which, and that no other action can be run."""

import pytest
from django.utils import timezone

from accounts.models import Role, User
from accounts.tests.checks import events, lock_out
from accounts.tests.factories import UserFactory
from core.tests.office import address_of, allow, browser_of, buttons

pytestmark = pytest.mark.django_db

OF_CHANGE = ["Send a reset link", "End sessions", "Resend verification", "Suspend", "Set a new password"]
REFUSED = ["suspend", "make-staff", "make-admin", "export", "resend_verification"]


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def test_an_admin_sees_every_action_that_has_something_to_do(browser, owner):
    own = [f"Make {role.label.lower()}" for role in Role if role != "user"] + ["Export data"]

    assert sorted(buttons(browser, owner.user)) == sorted([*OF_CHANGE, *own])


@pytest.mark.parametrize(
    ("state", "label"),
    [
        ({"pending_email": "new@example.com"}, "Cancel the change of address"),
        ({"suspended_at": timezone.now()}, "Unsuspend"),
        ({"password": "!"}, "Invite again"),
        ({"role": "staff"}, "Make user"),
    ],
)
def test_an_action_is_shown_in_the_state_that_it_ends(browser, owner, state, label):
    assert label not in buttons(browser, owner.user)
    User.objects.filter(pk=owner.user.pk).update(**state)

    assert label in buttons(browser, owner.user)


def test_unlock_is_shown_while_the_account_is_locked(helpdesk, owner):
    assert "Unlock" not in buttons(helpdesk, owner.user)
    lock_out(owner.user)

    assert "Unlock" in buttons(helpdesk, owner.user)


def test_a_deleted_account_is_exported_restored_or_erased(browser, gone):
    assert buttons(browser, gone) == ["Export data", "Restore the account", "Erase now"]


def test_staff_see_what_their_permissions_allow(helpdesk, staff, owner):
    assert buttons(helpdesk, owner.user) == ["Send a reset link", "End sessions"]
    allow(staff.user, "accounts.change_user")

    assert sorted(buttons(browser_of(User.objects.get(pk=staff.user.pk)), owner.user)) == sorted(OF_CHANGE)


@pytest.mark.parametrize("role", ["staff", "admin"])
def test_staff_see_no_button_for_staff_and_admins(helpdesk, role):
    assert buttons(helpdesk, UserFactory(role=role)) == []


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_action_that_is_not_shown_is_refused_and_recorded(helpdesk, owner, name, method):
    assert getattr(helpdesk, method)(address_of(owner.user, name)).status_code == 403
    assert events() == ["access.refused"]


@pytest.mark.parametrize("name", ["restore", "erase", "export"])
def test_the_helpdesk_neither_restores_erases_nor_exports(helpdesk, gone, name):
    assert helpdesk.post(address_of(gone, name)).status_code == 403
    assert User.objects.trashed().filter(pk=gone.pk).exists()


@pytest.mark.parametrize("role", ["staff", "admin"])
def test_staff_do_nothing_to_staff_and_admins(helpdesk, role):
    target = UserFactory(role=role)

    for name in ("unlock", "send_reset_link", "end_sessions"):
        assert helpdesk.post(address_of(target, name)).status_code == 403
    assert set(events()) == {"access.refused"}


@pytest.mark.parametrize("role", ["user", "staff"])
def test_permissions_on_users_do_not_change_roles(staff, owner, role):
    codes = ("view", "change", "delete", "export", "erase")
    browser = browser_of(allow(staff.user, *(f"accounts.{code}_user" for code in codes)))

    assert browser.post(address_of(owner.user, "make-admin")).status_code == 403
    assert User.objects.get(pk=owner.user.pk).role == "user"


def test_an_action_needs_the_token_of_the_form(browser, owner):
    strict = type(browser)(enforce_csrf_checks=True)
    strict.force_login(browser.user)

    assert strict.post(address_of(owner.user, "suspend")).status_code == 403
    assert User.objects.get(pk=owner.user.pk).is_active


@pytest.mark.parametrize("path", ["nothing", "delete_selected"])
def test_an_unknown_action_is_a_404(browser, owner, path):
    assert browser.get(address_of(owner.user, path)).status_code == 404
