"""`POST /auth/step-up`: for ten minutes this session needs no `currentPassword` for what is sensitive."""

from datetime import timedelta
from functools import partial

import pytest
from rest_framework.test import APIClient

from accounts.models import Session, User
from accounts.services import passwords
from accounts.services.step_up import StepUpRequired, step_up
from accounts.tests.checks import API, NEW_PASSWORD, audit_holds, data, event, events, problems, refusal
from accounts.tests.factories import PASSWORD
from core.tests.parallel import together

pytestmark = pytest.mark.django_db

URL, ME = f"{API}/auth/step-up", f"{API}/users/me"
REQUIRED = (403, "STEP_UP_REQUIRED")
NEW = "new@example.com"


def step(caller, password=PASSWORD, **extra):
    return caller.post(URL, {"currentPassword": password}, **extra)


def change_address(caller, **body):
    return caller.patch(ME, {"email": NEW, **body})


def test_the_session_needs_no_password_for_ten_minutes(clock, owner):
    assert refusal(change_address(owner)) == REQUIRED

    response = step(owner)

    assert (response.status_code, response.content) == (204, b"")
    clock.shift(599)
    assert data(change_address(owner))["pendingEmail"] == NEW
    clock.shift(1)
    assert refusal(owner.delete(ME)) == REQUIRED
    step(owner)
    assert owner.delete(ME).status_code == 204


def test_a_step_up_is_of_one_session(owner, log_in):
    elsewhere = log_in(owner.user)

    step(owner)

    assert refusal(change_address(elsewhere)) == REQUIRED


def test_a_refresh_does_not_extend_a_step_up(clock, owner):
    step(owner)
    clock.shift(300)

    tokens = data(owner.post(f"{API}/auth/refresh", {"refreshToken": owner.refresh_token}))["tokens"]
    owner.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['accessToken']}")

    clock.shift(299)
    assert change_address(owner).status_code == 200
    clock.shift(1)
    assert refusal(owner.delete(ME)) == REQUIRED


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"currentPassword": "Wr0ng-password"}, "wrong_password"),
        ({"currentPassword": ""}, "blank"),
        ({"currentPassword": None}, "null"),
    ],
)
def test_starts_with_the_right_password_only(owner, body, code):
    assert problems(owner.post(URL, body)) == [("currentPassword", code)]
    assert refusal(change_address(owner)) == REQUIRED


def test_needs_a_session(anonymous):
    assert refusal(step(anonymous)) == (401, "UNAUTHORIZED")


def test_the_service_accepts_no_empty_proof(owner):
    with pytest.raises(StepUpRequired):
        step_up(session=Session.objects.get(), values={})


def test_wrong_passwords_lock_the_account(owner):
    step(owner)
    for _ in range(3):
        step(owner, "Wr0ng-password")
    for _ in range(2):
        assert problems(change_address(owner, currentPassword="Wr0ng-password"))

    assert refusal(step(owner)) == (423, "ACCOUNT_LOCKED")
    assert refusal(change_address(owner, currentPassword=PASSWORD)) == (423, "ACCOUNT_LOCKED")


def test_a_wrong_password_is_refused_also_after_a_step_up(owner):
    step(owner)

    response = change_address(owner, currentPassword="Wr0ng-password")

    assert problems(response) == [("currentPassword", "wrong_password")]


def test_a_new_password_always_takes_the_current_one(owner):
    step(owner)

    response = owner.post(f"{API}/auth/change-password", {"newPassword": NEW_PASSWORD})

    assert problems(response) == [("currentPassword", "required")]


def by_owner(owner):
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    assert owner.post(f"{API}/auth/change-password", body).status_code == 204


def by_command(owner):
    passwords.set_password(user=owner.user, password=NEW_PASSWORD, actor=None)
    Session.objects.update(ended_at=None)  # the step-up ends by itself too


def by_link(owner):
    token = passwords.issue_token(owner.user, "password_reset", owner.user.email, timedelta(hours=1))
    passwords.reset_password(token=token, password=NEW_PASSWORD)
    Session.objects.update(ended_at=None)


@pytest.mark.parametrize("change", [by_owner, by_command, by_link])
def test_a_new_password_ends_the_step_up(owner, change):
    step(owner)

    change(owner)

    assert refusal(change_address(owner)) == REQUIRED


def test_a_cookie_client_steps_up_with_its_csrf_token(owner):
    browser = APIClient()
    login = data(
        browser.post(f"{API}/auth/login?delivery=cookie", {"email": owner.user.email, "password": PASSWORD})
    )
    csrf = {"X-CSRFToken": login["csrfToken"]}

    assert refusal(step(browser)) == (403, "CSRF_FAILED")
    assert step(browser, headers=csrf).status_code == 204
    assert browser.patch(ME, {"email": NEW}, headers=csrf).status_code == 200


def test_is_audited_without_the_password(owner):
    step(owner, headers={"X-Request-ID": "req-1"})

    started = event("session.stepped_up")
    assert (started.actor_id, started.target_id) == (owner.user.pk, owner.session_id)
    assert (started.request_id, started.changes) == ("req-1", {"proofs": [[], ["currentPassword"]]})
    assert not audit_holds(PASSWORD)


# --- what ends while a request runs ----------------------------------------------------------------


def test_a_step_up_that_ends_before_the_lock_does_not_count(owner, just_before):
    step(owner)

    with just_before("SAVEPOINT", lambda: Session.objects.update(step_up_expires_at=None)):
        assert refusal(change_address(owner)) == REQUIRED

    assert User.objects.get().pending_email is None


@pytest.mark.django_db(transaction=True)
def test_no_step_up_remains_after_a_parallel_new_password(owner):
    """Whichever is first: the old password starts no step-up that a change by it does not end."""
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}

    stepped, changed = together(
        partial(step, owner), partial(owner.post, f"{API}/auth/change-password", body)
    )

    assert changed.status_code == 204
    assert stepped.status_code in {204, 400}
    assert refusal(change_address(owner)) == REQUIRED
    assert "password.changed" in events()
