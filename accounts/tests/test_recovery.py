"""Every recovery of an account voids its pending address, the links to it and unused reset links."""

from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection

from accounts.models import OneTimeToken, User
from accounts.services import passwords
from accounts.services.passwords import issue_token
from accounts.services.sessions import end_all_sessions
from accounts.tests.checks import (
    API,
    NEW_PASSWORD,
    access_of,
    data,
    event,
    events,
    log_in_with,
    problems,
    refusal,
    token_to,
    try_token,
)
from accounts.tests.factories import PASSWORD
from core.outbox.models import OutboxMessage
from core.tests.office import act, browser_of

pytestmark = pytest.mark.django_db

ME = f"{API}/users/me"
THIEF = "thief@example.com"
SPENT = [("token", "invalid_token")]
HOUR = timedelta(hours=1)


def reset(owner, **_):
    token = issue_token(owner.user, OneTimeToken.Purpose.PASSWORD_RESET, owner.user.email, HOUR)
    return owner.post(f"{API}/auth/reset-password", {"token": token, "password": NEW_PASSWORD})


def change(owner, **_):
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    return owner.post(f"{API}/auth/change-password", body)


def log_out_everywhere(owner, **_):
    return owner.post(f"{API}/auth/logout-all")


def reuse(owner, clock, **_):
    for _ in range(2):
        response = owner.post(f"{API}/auth/refresh", {"refreshToken": owner.refresh_token})
        clock.shift(timedelta(seconds=11))
    assert response.status_code == 401


def set_by_staff(owner, admin, **_):
    passwords.set_password(user=owner.user, password=NEW_PASSWORD, actor=admin.user)


def set_in_the_admin(owner, admin, **_):
    body = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    return browser_of(admin.user).post(f"/admin/accounts/user/{owner.user.pk}/password/", body)


def end_in_the_admin(owner, admin, **_):
    act(browser_of(admin.user), "end_sessions", owner.user)


RECOVERIES = [reset, change, log_out_everywhere, reuse, set_by_staff, set_in_the_admin, end_in_the_admin]


@pytest.fixture(params=RECOVERIES, ids=lambda recovery: recovery.__name__)
def recover(request, clock, owner, admin):
    """Return the function by which the owner, or staff for them, recovers the account after a thief has prepared
    access."""
    return lambda: request.param(owner=owner, admin=admin, clock=clock)


def pend(owner, address=THIEF):
    return data(owner.patch(ME, {"email": address, "currentPassword": PASSWORD}))


def verify(client, token):
    return client.post(f"{API}/auth/verify-email", {"token": token})


def test_an_emailed_link_to_a_new_address_is_void(recover, owner, anonymous, deliver):
    pend(owner)
    token = token_to(THIEF, deliver())
    recover()

    assert problems(verify(anonymous, token)) == SPENT
    user = User.objects.get(pk=owner.user.pk)
    assert (user.email, user.pending_email) == (owner.user.email, None)


def test_a_link_in_the_outbox_is_not_emailed(recover, owner, deliver):
    pend(owner)
    recover()

    assert THIEF not in {mail.to[0] for mail in deliver()}
    assert not owner.user.one_time_tokens.filter(email=THIEF).exists()


def test_the_warning_in_the_outbox_is_emailed(recover, owner, deliver):
    pend(owner)
    recover()

    assert "Your email address is about to change" in {mail.subject for mail in deliver()}


def test_an_unused_reset_link_is_void(recover, owner, anonymous):
    link = issue_token(owner.user, OneTimeToken.Purpose.PASSWORD_RESET, owner.user.email, HOUR)
    recover()

    response = anonymous.post(f"{API}/auth/reset-password", {"token": link, "password": "Th1ef-was-here"})
    assert problems(response) == SPENT


def test_a_reset_link_in_the_outbox_is_not_emailed(recover, owner, deliver):
    owner.post(f"{API}/auth/forgot-password", {"email": owner.user.email})
    recover()

    assert "Reset your password" not in {mail.subject for mail in deliver()}


def test_the_same_address_requested_again_needs_a_new_link(recover, owner, anonymous, deliver, log_in):
    pend(owner)
    token = token_to(THIEF, deliver())
    recover()
    User.objects.filter(pk=owner.user.pk).update(pending_email=THIEF)

    assert problems(verify(anonymous, token)) == SPENT


def test_is_audited_and_gives_a_new_version(recover, owner):
    pend(owner)
    before = User.objects.get(pk=owner.user.pk).version
    recover()

    assert event("email.change_cancelled").changes == {"pendingEmail": [THIEF, None]}
    assert User.objects.get(pk=owner.user.pk).version > before


def test_without_a_pending_address_nothing_is_cancelled(recover):
    recover()

    assert "email.change_cancelled" not in events()


def test_the_link_that_verifies_the_own_address_remains_valid(recover, owner, anonymous, deliver):
    owner.post(f"{API}/auth/resend-verification")
    token = token_to(owner.user.email, deliver())
    recover()

    assert verify(anonymous, token).status_code == 204


def test_a_deleted_account_has_no_open_link(owner, anonymous, deliver):
    pend(owner)
    token = token_to(THIEF, deliver())
    owner.delete(ME, {"currentPassword": PASSWORD})

    assert problems(verify(anonymous, token)) == SPENT
    assert not owner.user.one_time_tokens.exists()


def test_a_prepared_takeover_fails(owner, anonymous, deliver):
    """Prepare a change of address as a thief with the password. Then reset and log out everywhere as the owner."""
    pend(owner)
    messages = deliver()
    anonymous.post(f"{API}/auth/forgot-password", {"email": owner.user.email})
    body = {"token": token_to(owner.user.email, deliver()), "password": NEW_PASSWORD}
    assert anonymous.post(f"{API}/auth/reset-password", body).status_code == 204

    assert problems(verify(anonymous, token_to(THIEF, messages))) == SPENT
    assert log_in_with(owner.user.email, NEW_PASSWORD).status_code == 200


# --- what a request began before the recovery ---------------------------------------------------------


@pytest.fixture
def logged_out_after_the_hash(hashes):
    """Return `with …(user)`: the user logs out everywhere between the check of a password and the lock of the row."""

    @contextmanager
    def interleave(user):
        waiting = [user.pk]
        hashes.runs.clear()

        def run(execute, *args):
            if hashes.count and waiting:
                end_all_sessions(user=User.objects.get(pk=waiting.pop()), actor=user)
            return execute(*args)

        with connection.execute_wrapper(run):
            yield
        assert not waiting, "no password was checked"

    return interleave


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("patch", ME, {"email": THIEF, "currentPassword": PASSWORD}),
        ("put", ME, {"name": "Thief", "email": THIEF, "currentPassword": PASSWORD}),
        ("delete", ME, {"currentPassword": PASSWORD}),
        (
            "post",
            f"{API}/auth/change-password",
            {"currentPassword": PASSWORD, "newPassword": "Th1ef-was-here"},
        ),
    ],
)
def test_refuses_a_request_whose_password_was_checked_before(
    owner, logged_out_after_the_hash, method, path, body
):
    with logged_out_after_the_hash(owner.user):
        response = getattr(owner, method)(path, body)

    assert refusal(response) == (401, "TOKEN_REVOKED")
    user = User.objects.get(pk=owner.user.pk)
    assert user.check_password(PASSWORD)
    assert (user.pending_email, user.deleted_at) == (None, None)


def test_refuses_staff_whose_old_password_was_checked_before(admin, logged_out_after_the_hash):
    browser = browser_of(admin.user)
    body = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    with logged_out_after_the_hash(admin.user):
        response = browser.post("/admin/password_change/", body)

    assert response.status_code == 401
    assert User.objects.get(pk=admin.user.pk).check_password(PASSWORD)


@pytest.mark.parametrize(
    "recover_by", [end_all_sessions, partial(passwords.set_password, password=NEW_PASSWORD)]
)
def test_voids_links_requested_after_the_caller_had_read_the_user(owner, admin, recover_by):
    seen_before = User.objects.get(pk=owner.user.pk)
    pend(owner)
    recover_by(user=seen_before, actor=admin.user)

    assert User.objects.get(pk=owner.user.pk).pending_email is None


# --- calling a change off -----------------------------------------------------------------------------


def test_the_own_address_cancels_a_pending_one_without_a_password(owner, anonymous, deliver):
    pend(owner)
    token = token_to(THIEF, deliver())

    assert data(owner.patch(ME, {"email": owner.user.email}))["pendingEmail"] is None
    assert problems(verify(anonymous, token)) == SPENT
    assert not owner.user.one_time_tokens.filter(email=THIEF).exists()
    assert OutboxMessage.objects.filter(status="pending").count() == 0


def test_staff_cancel_a_pending_address(owner, admin, anonymous, deliver):
    pend(owner)
    token = token_to(THIEF, deliver())
    act(browser_of(admin.user), "cancel_email_change", owner.user)

    assert problems(verify(anonymous, token)) == SPENT
    assert data(owner.get(ME))["pendingEmail"] is None
    assert event("email.change_cancelled").actor_id == admin.user.pk
    assert try_token(access_of(owner)) == "accepted"


def test_staff_get_a_message_where_nothing_is_pending(owner, admin):
    page = act(browser_of(admin.user), "cancel_email_change", owner.user)

    assert "Nothing to do for 1" in page.content.decode()
    assert "email.change_cancelled" not in events()
