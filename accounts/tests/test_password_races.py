"""A password that is set while a slow hash of the old one runs remains set: no earlier request undoes it or logs in
with the old password."""

from datetime import timedelta
from functools import partial
from threading import Lock

import bcrypt
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.hashers import make_password
from django.db import connections
from django.test import Client
from rest_framework.test import APIClient

from accounts.hashers import BCryptHasher
from accounts.models import User
from accounts.services import passwords
from accounts.services.passwords import issue_token
from accounts.tests.checks import API, NEW_PASSWORD, events, log_in_with, problems, refusal
from accounts.tests.factories import PASSWORD, UserFactory
from core.tests.office import allow, browser_of, url_of
from core.tests.parallel import together
from core.web.concurrency import ConcurrencyLimit

pytestmark = pytest.mark.django_db(transaction=True)

THIRD_PASSWORD = "Th1rd-staple-correct"


@pytest.fixture(autouse=True)
def _many_slots(monkeypatch):
    """Raise the concurrency limit: a function that runs during a hash may hash too."""
    monkeypatch.setattr(passwords, "hash_limit", ConcurrencyLimit(slots=20, waiting=100, timeout=10))


@pytest.fixture
def during_hash(monkeypatch):
    """Return a function `during_hash(number, act)`: `act` is called, once, while this hash from now on is made."""
    original, lock = bcrypt.hashpw, Lock()
    plan = {"left": 0, "act": None}

    def hashpw(password, salt):
        with lock:
            plan["left"] -= 1
            act = plan["act"] if plan["left"] == 0 else None
        if act is not None:
            plan["act"] = None
            try:
                act()
            finally:
                connections.close_all()
        return original(password, salt)

    def arrange(number, act):
        plan.update(left=number, act=act)
        return plan

    monkeypatch.setattr(bcrypt, "hashpw", hashpw)
    return arrange


@pytest.fixture
def cheap(monkeypatch):
    """Create a user whose hash is from before BCRYPT_ROUNDS was raised."""
    user = UserFactory()
    monkeypatch.setattr(BCryptHasher, "rounds", BCryptHasher.rounds + 1)
    return user


def reset(user, password=NEW_PASSWORD):
    """Reset the password as its owner, by the emailed link."""
    token = issue_token(user, "password_reset", user.email, timedelta(hours=1))
    response = APIClient().post(f"{API}/auth/reset-password", {"token": token, "password": password})
    assert response.status_code == 204


def is_new(user, password=NEW_PASSWORD):
    """Return whether the reset won: its password is the only valid one, and no session is left."""
    user.refresh_from_db()
    return (
        user.check_password(password)
        and not user.check_password(PASSWORD)
        and not user.sessions.live().exists()
    )


# --- a hash with more rounds ----------------------------------------------------------------------


@pytest.mark.parametrize("hash_number", [1, 2], ids=["while it is verified", "while it is made anew"])
def test_a_login_does_not_undo_a_reset(cheap, during_hash, hash_number):
    plan = during_hash(hash_number, partial(reset, cheap))

    assert refusal(log_in_with(cheap.email)) == (401, "INVALID_CREDENTIALS")
    assert plan["act"] is None
    assert is_new(cheap)


@pytest.mark.parametrize("hash_number", [1, 2])
def test_a_login_to_the_admin_does_not_undo_a_reset(cheap, during_hash, hash_number):
    User.objects.filter(pk=cheap.pk).update(role="staff")
    during_hash(hash_number, partial(reset, cheap))
    browser = Client()

    browser.post("/admin/login/", {"username": cheap.email, "password": PASSWORD})

    assert browser.get("/admin/").status_code == 302
    assert is_new(cheap)


@pytest.mark.parametrize("is_async", [False, True], ids=["check_password", "acheck_password"])
def test_check_password_of_django_does_not_undo_a_reset(cheap, during_hash, is_async):
    during_hash(2, partial(reset, cheap))
    check = async_to_sync(cheap.acheck_password) if is_async else cheap.check_password

    assert not check(PASSWORD)
    assert is_new(cheap)


def test_parallel_logins_with_a_cheap_hash_all_succeed(cheap):
    for _ in range(3):
        User.objects.filter(pk=cheap.pk).update(password=cheap.password)
        responses = together(*[partial(log_in_with, cheap.email)] * 10)

        assert [response.status_code for response in responses] == [200] * 10
        stored = User.objects.get(pk=cheap.pk).password
        assert f"${BCryptHasher.rounds:02}$" in stored
    assert cheap.sessions.live().count() == 30


def test_parallel_logins_to_the_admin_all_stay_logged_in(cheap):
    User.objects.filter(pk=cheap.pk).update(role="staff")
    browsers = [Client() for _ in range(5)]
    body = {"username": cheap.email, "password": PASSWORD}

    together(*(partial(browser.post, "/admin/login/", body) for browser in browsers))

    assert [browser.get("/admin/").status_code for browser in browsers] == [200] * 5


def test_a_login_succeeds_while_another_one_replaces_the_hash(cheap, during_hash):
    def other_login():
        User.objects.filter(pk=cheap.pk).update(password=make_password(PASSWORD))

    during_hash(2, other_login)

    assert log_in_with(cheap.email).status_code == 200


# --- what needs the current password --------------------------------------------------------------


@pytest.mark.parametrize("hash_number", [1, 2], ids=["while it is verified", "while the new one is made"])
def test_a_change_does_not_undo_a_reset(owner, during_hash, hash_number):
    during_hash(hash_number, partial(reset, owner.user))

    body = {"currentPassword": PASSWORD, "newPassword": THIRD_PASSWORD}
    response = owner.post(f"{API}/auth/change-password", body)

    assert problems(response) == [("currentPassword", "wrong_password")]
    assert is_new(owner.user)


def test_of_two_parallel_changes_one_succeeds(log_in):
    user = UserFactory()
    one, other = log_in(user), log_in(user)

    responses = together(
        *(
            partial(
                caller.post, f"{API}/auth/change-password", {"currentPassword": PASSWORD, "newPassword": new}
            )
            for caller, new in ((one, NEW_PASSWORD), (other, THIRD_PASSWORD))
        )
    )

    # The first ends the session of the second, which notices by its token or by the password that is no longer current.
    assert sorted(response.status_code for response in responses) in ([204, 400], [204, 401])
    user.refresh_from_db()
    winner = NEW_PASSWORD if responses[0].status_code == 204 else THIRD_PASSWORD
    assert user.check_password(winner)


@pytest.mark.parametrize("hash_number", [1, 2])
def test_a_change_in_the_admin_does_not_undo_a_reset(during_hash, hash_number):
    user = UserFactory(role="staff")
    browser = browser_of(user)
    during_hash(hash_number, partial(reset, user))

    new = {"new_password1": THIRD_PASSWORD, "new_password2": THIRD_PASSWORD}
    response = browser.post("/admin/password_change/", {"old_password": PASSWORD, **new})

    assert response.status_code == 400
    assert is_new(user)


def test_a_new_address_is_refused_if_the_password_is_reset_during_the_hash(owner, during_hash):
    during_hash(1, partial(reset, owner.user))

    body = {"email": "thief@example.com", "currentPassword": PASSWORD}
    response = owner.patch(f"{API}/users/me", body)

    assert problems(response) == [("currentPassword", "wrong_password")]
    assert User.objects.get().pending_email is None


def test_no_step_up_starts_if_the_password_is_replaced_during_the_hash(owner, during_hash):
    replaced = make_password(NEW_PASSWORD)
    during_hash(1, lambda: User.objects.update(password=replaced))

    response = owner.post(f"{API}/auth/step-up", {"currentPassword": PASSWORD})

    assert problems(response) == [("currentPassword", "wrong_password")]
    assert not owner.user.sessions.filter(step_up_expires_at__isnull=False).exists()


def test_an_account_is_not_deleted_if_the_password_is_reset_during_the_hash(owner, during_hash):
    during_hash(1, partial(reset, owner.user))

    response = owner.delete(f"{API}/users/me", {"currentPassword": PASSWORD})

    assert problems(response) == [("currentPassword", "wrong_password")]
    assert User.objects.not_deleted().exists()


def test_a_password_set_by_staff_ends_browser_sessions_also_after_a_parallel_logout(during_hash, admin):
    """The epoch of sessions is read with the row locked, and not before the slow hash."""
    user = UserFactory()

    def log_out_everywhere():
        User.objects.filter(pk=user.pk).update(session_epoch=5)

    during_hash(1, log_out_everywhere)
    passwords.set_password(user=user, password=NEW_PASSWORD, actor=admin.user)

    assert User.objects.get(pk=user.pk).session_epoch == 6


@pytest.mark.parametrize("race", ["the user is promoted", "the actor is demoted"])
def test_staff_set_no_password_of_a_user_who_is_promoted_during_the_hash(during_hash, race):
    staff, user = UserFactory(role="staff"), UserFactory()
    browser = browser_of(allow(staff, "accounts.view_user", "accounts.change_user"))
    changed, role = (user, "admin") if race == "the user is promoted" else (staff, "user")

    during_hash(1, partial(User.objects.filter(pk=changed.pk).update, role=role))
    body = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    response = browser.post(url_of(user, "password"), body)

    assert response.status_code == 403
    assert events() == ["access.refused"]
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
