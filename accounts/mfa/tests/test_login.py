"""POST /auth/login of a user with a second factor."""

import pytest
from rest_framework.test import APIClient

from accounts.mfa.models import TotpDevice
from accounts.mfa.services.codes import matching_step
from accounts.models import Lockout
from accounts.services.passwords import issue_token
from accounts.tests.checks import API, NEW_PASSWORD, data, event, events, log_in_with, problems, refusal
from accounts.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


def enter(phone, code=None, password=PASSWORD):
    body = {"email": phone.user.email, "password": password}
    return APIClient().post(f"{API}/auth/login", body if code is None else {**body, "code": code})


def failures(phone):
    return sum(len(row.failed_at) for row in Lockout.objects.all())


def test_the_code_of_the_app_opens_a_session(phone):
    user = data(enter(phone, phone.code(1)))["user"]

    assert (user["email"], user["mfaEnabled"]) == (phone.user.email, True)


def test_without_a_code_the_error_names_the_methods(phone):
    response = enter(phone)
    details = response.json()["error"]["details"]

    assert refusal(response) == (401, "MFA_REQUIRED")
    assert [(detail["field"], detail["code"]) for detail in details] == [
        ("code", "totp"),
        ("code", "recovery_code"),
    ]


def test_a_wrong_password_says_nothing_of_the_factor(phone):
    assert refusal(enter(phone, password="Wr0ng-password")) == (401, "INVALID_CREDENTIALS")
    assert refusal(enter(phone, phone.code(1), "Wr0ng-password")) == (401, "INVALID_CREDENTIALS")


def test_the_right_password_alone_neither_counts_nor_clears(phone):
    enter(phone, password="Wr0ng-password")
    for _ in range(6):
        assert refusal(enter(phone)) == (401, "MFA_REQUIRED")
    assert failures(phone) == 1

    assert enter(phone, phone.code(1)).status_code == 200
    assert failures(phone) == 0


def test_five_wrong_codes_lock_the_account(phone):
    for _ in range(5):
        assert refusal(enter(phone, phone.wrong())) == (401, "MFA_INVALID")

    assert refusal(enter(phone, phone.code(1))) == (423, "ACCOUNT_LOCKED")
    assert "account.locked" in events()


@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)])
def test_a_code_of_the_step_before_or_after_is_accepted(phone, clock, steps, status):
    clock.shift(300)

    assert enter(phone, phone.code(steps)).status_code == status


def test_a_code_is_accepted_once_and_none_of_an_earlier_step(phone, clock):
    clock.shift(300)
    assert enter(phone, phone.code()).status_code == 200

    assert refusal(enter(phone, phone.code())) == (401, "MFA_INVALID")
    assert refusal(enter(phone, phone.code(-1))) == (401, "MFA_INVALID")
    assert enter(phone, phone.code(1)).status_code == 200


def test_the_code_that_confirmed_the_app_is_spent(phone):
    assert refusal(enter(phone, phone.code())) == (401, "MFA_INVALID")


@pytest.mark.parametrize(
    "write", [str, str.upper, lambda code: code.replace("-", ""), lambda code: f" {code} "]
)
def test_a_recovery_code_opens_a_session_once(phone, deliver, write):
    deliver()
    assert enter(phone, write(phone.recovery_codes[3])).status_code == 200

    assert refusal(enter(phone, write(phone.recovery_codes[3]))) == (401, "MFA_INVALID")
    assert event("recovery_code.used").changes == {"left": [10, 9]}
    [mail] = deliver()
    assert (mail.subject, "left: 9" in mail.body) == ("A recovery code was used", True)


def test_a_code_with_spaces_between_its_groups_is_read(phone):
    code = phone.code(1)

    assert enter(phone, f"{code[:3]} {code[3:]}").status_code == 200


@pytest.mark.parametrize("code", ["", "x" * 65, 123456, None])
def test_a_code_that_cannot_be_one_is_an_error_of_the_field(phone, code):
    response = APIClient().post(
        f"{API}/auth/login", {"email": phone.user.email, "password": PASSWORD, "code": code}
    )

    assert [field for field, _code in problems(response)] == ["code"]


def test_a_code_of_somebody_without_a_factor_is_ignored(owner):
    response = APIClient().post(
        f"{API}/auth/login", {"email": owner.user.email, "password": PASSWORD, "code": "123456"}
    )

    assert response.status_code == 200


def test_a_reset_by_email_does_not_switch_it_off(phone, settings):
    token = issue_token(phone.user, "password_reset", phone.user.email, settings.PASSWORD_RESET_LIFETIME)
    APIClient().post(f"{API}/auth/reset-password", {"token": token, "password": NEW_PASSWORD})

    assert refusal(enter(phone, password=NEW_PASSWORD)) == (401, "MFA_REQUIRED")
    assert enter(phone, phone.code(1), NEW_PASSWORD).status_code == 200


def test_new_recovery_codes_void_the_old_ones(phone, deliver):
    deliver()
    response = phone.caller.post(f"{API}/auth/mfa/recovery-codes", {"code": phone.code(1)})
    codes = data(response)["recoveryCodes"]
    [mail] = deliver()

    assert len({*codes, *phone.recovery_codes}) == 20
    assert refusal(enter(phone, phone.recovery_codes[0])) == (401, "MFA_INVALID")
    assert enter(phone, codes[0]).status_code == 200
    assert mail.subject == "Your recovery codes were replaced"


def test_recovery_codes_without_a_factor_are_a_conflict(owner):
    assert refusal(owner.post(f"{API}/auth/mfa/recovery-codes", {"code": "123456"})) == (409, "CONFLICT")


def test_a_code_matches_the_vector_of_the_rfc(time_machine):
    """RFC 6238, appendix B: SHA-1 at the time 59, the last six digits."""
    time_machine.move_to(59, tick=False)

    assert matching_step("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "287082") == 1


def test_a_secret_under_an_unknown_key_is_a_defect_and_recovery_codes_work(phone):
    TotpDevice.objects.update(encrypted_secret="gAAAAA")
    caller = APIClient(raise_request_exception=False)
    body = {"email": phone.user.email, "password": PASSWORD}

    assert refusal(caller.post(f"{API}/auth/login", {**body, "code": phone.code(1)})) == (
        500,
        "INTERNAL_ERROR",
    )
    assert enter(phone, phone.recovery_codes[0]).status_code == 200


def test_another_user_still_logs_in_without_a_code(phone, stranger):
    assert log_in_with(stranger.user.email).status_code == 200
