"""/auth/mfa/totp: an authenticator app is added, confirmed and removed."""

import base64
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command

from accounts.mfa.models import RecoveryCode, TotpDevice
from accounts.mfa.tests.devices import MFA, enrolled, start
from accounts.models import User
from accounts.services.lockout import locks
from accounts.tests.checks import API, audit_holds, data, event, log_in_with, problems, refusal
from accounts.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

TOTP = f"{MFA}/totp"


def remove(phone, **changed):
    return phone.caller.delete(TOTP, {"currentPassword": PASSWORD, "code": phone.code(1), **changed})


def test_a_new_secret_has_160_bits_and_an_address_for_the_qr_code(owner, settings):
    response = data(owner.post(TOTP, {"currentPassword": PASSWORD}), 201)
    address = urlsplit(response["otpauthUri"])

    assert response.keys() == {"secret", "otpauthUri"}
    assert len(base64.b32decode(response["secret"])) == 20
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert parse_qs(address.query) == {"secret": [response["secret"]], "issuer": [settings.PRODUCT_NAME]}


def test_the_secret_is_encrypted_at_rest_and_in_no_event(owner):
    phone = enrolled(owner)
    row = TotpDevice.objects.values().get()

    assert phone.secret not in str(row)
    assert not audit_holds(phone.secret, *phone.recovery_codes)
    assert all(
        code.replace("-", "") not in str(list(RecoveryCode.objects.values())) for code in phone.recovery_codes
    )


def test_an_app_counts_only_once_it_is_confirmed(owner):
    start(owner)

    assert data(owner.get(MFA))["totp"] is False
    assert log_in_with(owner.user.email).status_code == 200
    assert data(owner.get(f"{API}/users/me"))["mfaEnabled"] is False


def test_the_first_code_confirms_it_and_shows_ten_recovery_codes(phone, deliver):
    assert len(set(phone.recovery_codes)) == 10
    assert data(phone.caller.get(MFA)) == {"totp": True, "passkeys": [], "recoveryCodesLeft": 10}
    assert data(phone.caller.get(f"{API}/users/me"))["mfaEnabled"] is True
    assert event("second_factor.added").target_id == phone.user.pk
    assert [mail.subject for mail in deliver()] == ["A second factor was added"]


def test_a_wrong_code_confirms_nothing_and_is_counted(clock, owner):
    phone = start(owner)
    for _ in range(5):
        assert refusal(owner.post(f"{TOTP}/confirm", {"code": phone.wrong()})) == (401, "MFA_INVALID")

    assert refusal(owner.post(f"{TOTP}/confirm", {"code": phone.code()})) == (423, "ACCOUNT_LOCKED")
    assert data(owner.get(MFA))["totp"] is False


def test_a_secret_is_not_confirmed_after_an_hour_and_is_purged(clock, owner, log_in):
    phone = start(owner)
    clock.shift(timedelta(hours=1, seconds=1))

    later = log_in(owner.user)
    assert refusal(later.post(f"{TOTP}/confirm", {"code": phone.code()})) == (409, "CONFLICT")
    call_command("purge", verbosity=0)
    assert not TotpDevice.objects.exists()


def test_without_a_new_secret_there_is_nothing_to_confirm(phone):
    assert refusal(phone.caller.post(f"{TOTP}/confirm", {"code": phone.code(1)})) == (409, "CONFLICT")


def test_a_second_secret_replaces_one_that_is_not_confirmed(clock, owner):
    first, second = start(owner), start(owner)

    assert refusal(owner.post(f"{TOTP}/confirm", {"code": first.code()})) == (401, "MFA_INVALID")
    assert owner.post(f"{TOTP}/confirm", {"code": second.code()}).status_code == 200


def test_an_app_is_not_replaced_without_its_removal(phone):
    assert refusal(phone.caller.post(TOTP, {"currentPassword": PASSWORD})) == (409, "CONFLICT")


@pytest.mark.parametrize("method", ["post", "delete"])
def test_a_wrong_password_is_refused(phone, method):
    body = {"currentPassword": "Wr0ng-password", "code": phone.code(1)}

    assert problems(getattr(phone.caller, method)(TOTP, body)) == [("currentPassword", "wrong_password")]


def test_a_removal_voids_the_recovery_codes_and_is_emailed(phone, deliver):
    deliver()
    assert remove(phone).status_code == 204

    assert data(phone.caller.get(MFA))["recoveryCodesLeft"] == 0
    assert log_in_with(phone.user.email).status_code == 200
    assert event("second_factor.removed").changes == {"factor": ["totp", None]}
    assert [mail.subject for mail in deliver()] == ["A second factor was removed"]
    assert refusal(remove(phone)) == (404, "NOT_FOUND")


def test_a_removal_needs_a_code(phone):
    assert problems(phone.caller.delete(TOTP, {"currentPassword": PASSWORD})) == [("code", "required")]
    assert refusal(remove(phone, code=phone.wrong())) == (401, "MFA_INVALID")
    assert User.objects.get(pk=phone.user.pk).mfa_enabled


def test_the_right_password_does_not_let_guess_codes_without_an_end(phone):
    for _ in range(5):
        assert refusal(remove(phone, code=phone.wrong())) == (401, "MFA_INVALID")

    assert refusal(remove(phone)) == (423, "ACCOUNT_LOCKED")
    assert locks([phone.user.email])


def test_a_recovery_code_removes_a_lost_app(phone):
    assert remove(phone, code=phone.recovery_codes[0]).status_code == 204


def test_the_export_has_the_times_and_no_secret(phone):
    text = str(data(phone.caller.get(f"{API}/users/me/export")))

    assert "authenticatorApps" in text
    assert phone.secret not in text
    assert TotpDevice.objects.get().encrypted_secret not in text


# --- the step-up ------------------------------------------------------------------------------------


def test_a_code_steps_the_session_up_once(phone):
    body = {"email": "new@example.com"}
    assert refusal(phone.caller.patch(f"{API}/users/me", body)) == (403, "STEP_UP_REQUIRED")
    assert refusal(phone.caller.post(f"{API}/auth/step-up", {"code": phone.wrong()})) == (401, "MFA_INVALID")

    assert phone.caller.post(f"{API}/auth/step-up", {"code": phone.code(1)}).status_code == 204
    assert phone.caller.patch(f"{API}/users/me", body).status_code == 200
    assert refusal(phone.caller.post(f"{API}/auth/step-up", {"code": phone.code(1)})) == (401, "MFA_INVALID")


def test_after_a_step_up_a_removal_needs_the_code_alone(phone):
    assert refusal(phone.caller.delete(TOTP, {"code": phone.code(1)})) == (403, "STEP_UP_REQUIRED")
    assert phone.caller.post(f"{API}/auth/step-up", {"currentPassword": PASSWORD}).status_code == 204

    assert phone.caller.delete(TOTP, {"code": phone.code(1)}).status_code == 204


def test_somebody_without_a_factor_steps_up_by_no_code(clock, owner):
    assert refusal(owner.post(f"{API}/auth/step-up", {"code": "123456"})) == (401, "MFA_INVALID")
