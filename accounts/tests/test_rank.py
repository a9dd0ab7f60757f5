"""A service refuses staff whom the user outranks when the row is locked, also if the view has allowed it."""

from functools import partial

import pytest
from django.contrib.auth.models import Group

from accounts.models import Session, User
from accounts.services import (
    accounts,
    email_changes,
    erasure,
    groups,
    passwords,
    sessions,
    suspension,
    undeletion,
)
from accounts.tests.checks import NEW_PASSWORD, events
from accounts.tests.factories import UserFactory
from core.web.errors import ApiError

pytestmark = pytest.mark.django_db


def end_one_session(*, user, actor):
    sessions.end_session(session=Session.objects.get(user=user), actor=actor)


ACTS = {
    "password": partial(passwords.set_password, password=NEW_PASSWORD),
    "unlock": accounts.unlock,
    "name": partial(accounts.update_account, changes={"name": "Other Name"}),
    "all sessions": sessions.end_all_sessions,
    "one session": end_one_session,
    "verification": email_changes.resend_email_verification,
    "change of address": email_changes.cancel_email_change,
    "deletion": accounts.delete_account,
    "suspension": suspension.suspend,
    "end of a suspension": suspension.unsuspend,
    "reset link": passwords.send_reset_link,
    "restoring": undeletion.restore_account,
    "erasure": erasure.request_erasure,
    "export": accounts.export_account,
}


@pytest.fixture
def user(owner):
    User.objects.filter(pk=owner.user.pk).update(pending_email="new@example.com")
    return User.objects.get(pk=owner.user.pk)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_a_user_who_was_promoted_since_is_refused(staff, user, act):
    held = User.objects.get(pk=user.pk)
    UserFactory(role="admin")
    User.objects.filter(pk=user.pk).update(role="admin")
    if act in (ACTS["name"], ACTS["deletion"], ACTS["export"]):  # whose callers hold the row
        held.refresh_from_db()

    with pytest.raises(ApiError) as refusal:
        act(user=held, actor=staff.user)
    assert refusal.value.code == "FORBIDDEN"
    assert events() == []


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_an_actor_who_was_demoted_since_is_refused(staff, user, act):
    User.objects.filter(pk=staff.user.pk).update(role="user")

    with pytest.raises(ApiError) as refusal:
        act(user=user, actor=staff.user)
    assert refusal.value.code == "FORBIDDEN"
    assert events() == []


GIFTS = {
    "role": lambda user, actor: accounts.update_account(user=user, actor=actor, changes={"role": "admin"}),
    "a new admin": lambda user, actor: accounts.add_account(
        user=UserFactory.build(role="admin"), actor=actor
    ),
    "groups of a user": lambda user, actor: groups.set_user_groups(user=user, groups=[], actor=actor),
    "a group": lambda user, actor: groups.save_group(group=Group(), name="All", permissions=[], actor=actor),
    "no group": lambda user, actor: groups.delete_group(group=Group.objects.create(name="All"), actor=actor),
}


@pytest.mark.parametrize("give", GIFTS.values(), ids=GIFTS)
def test_an_admin_who_became_staff_since_cannot_give_roles(admin, user, give):
    User.objects.filter(pk=admin.user.pk).update(role="staff")

    with pytest.raises(ApiError) as refusal:
        give(user, admin.user)
    assert refusal.value.code == "FORBIDDEN"
    assert events() == []


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_staff_may_change_users(staff, user, act):
    act(user=user, actor=staff.user)

    assert User.objects.get(pk=user.pk).role == "user"
