"""Passkeys: registered, as a log-in of its own, and as a step-up."""

from functools import partial

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from accounts.mfa.models import Passkey, RecoveryCode, WebauthnChallenge
from accounts.mfa.tests.authenticator import PRESENT, Authenticator, changed
from accounts.mfa.tests.devices import MFA
from accounts.models import User
from accounts.services.suspension import suspend
from accounts.tests.checks import API, data, event, lock_out, log_in_with, problems, refusal
from accounts.tests.factories import PASSWORD
from core.tests.parallel import together

pytestmark = pytest.mark.django_db

PASSKEYS, LOGIN = f"{MFA}/passkeys", f"{API}/auth/passkeys/login"
REFUSED = (401, "INVALID_CREDENTIALS")
INVALID = [("response", "invalid_passkey")]


def creation_options(caller):
    return data(caller.post(f"{PASSKEYS}/options", {"currentPassword": PASSWORD}))


def request_options():
    return data(APIClient().post(f"{API}/auth/passkeys/options"))


def enter(credential, query=""):
    return APIClient().post(f"{LOGIN}{query}", credential)


@pytest.fixture
def fresh(settings):
    """Return an authenticator without a passkey."""
    return Authenticator(settings.WEBAUTHN_ORIGINS[0])


@pytest.fixture
def key(owner, fresh):
    """Return the authenticator with a passkey of the owner, and the response to its registration as `added`."""
    fresh.added = owner.post(PASSKEYS, {**fresh.create(creation_options(owner)), "name": "Phone"})
    return fresh


# --- registration -----------------------------------------------------------------------------------


def test_the_options_ask_for_a_discoverable_passkey_with_user_verification(owner, settings):
    options = creation_options(owner)

    assert options["rp"] == {"id": settings.WEBAUTHN_RP_ID, "name": settings.PRODUCT_NAME}
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["excludeCredentials"] == []


def test_a_passkey_is_a_second_factor_and_the_first_shows_recovery_codes(key, owner, deliver):
    added = data(key.added, 201)

    assert added.keys() == {"id", "name", "createdAt", "lastUsedAt", "recoveryCodes"}
    assert (added["name"], len(added["recoveryCodes"])) == ("Phone", 10)
    assert [each["name"] for each in data(owner.get(MFA))["passkeys"]] == ["Phone"]
    assert data(owner.get(f"{API}/users/me"))["mfaEnabled"] is True
    assert event("second_factor.added").changes == {"factor": [None, "passkey"]}
    assert "a passkey" in deliver()[0].body


def test_a_password_alone_names_the_passkey(key, owner):
    response = log_in_with(owner.user.email)

    assert refusal(response) == (401, "MFA_REQUIRED")
    assert {each["code"] for each in response.json()["error"]["details"]} == {"recovery_code", "passkey"}


def test_the_options_need_the_password_or_a_step_up(owner):
    assert refusal(owner.post(f"{PASSKEYS}/options")) == (403, "STEP_UP_REQUIRED")
    owner.post(f"{API}/auth/step-up", {"currentPassword": PASSWORD})

    assert owner.post(f"{PASSKEYS}/options").status_code == 200


def test_the_next_options_exclude_it_and_it_is_not_registered_twice(key, owner):
    options = creation_options(owner)

    assert [each["id"] for each in options["excludeCredentials"]] == [Passkey.objects.get().credential_id]
    assert refusal(owner.post(PASSKEYS, key.create(options))) == (409, "CONFLICT")


def test_a_challenge_is_of_one_session_and_used_once(owner, fresh, log_in):
    options = creation_options(owner)
    credential = fresh.create(options)

    assert problems(log_in(owner.user).post(PASSKEYS, credential)) == INVALID
    assert owner.post(PASSKEYS, credential).status_code == 201
    assert problems(owner.post(PASSKEYS, credential)) == INVALID


def test_a_registration_whose_response_was_lost_is_repeated(owner, fresh):
    credential, key = fresh.create(creation_options(owner)), {"Idempotency-Key": "k1"}
    first, second = (owner.post(PASSKEYS, credential, headers=key) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    assert (second["Idempotency-Replayed"], data(second, 201)) == ("true", data(first, 201))


def test_a_challenge_is_valid_for_five_minutes(clock, owner, fresh):
    credential = fresh.create(creation_options(owner))
    clock.shift(301)

    assert problems(owner.post(PASSKEYS, credential)) == INVALID


@pytest.mark.parametrize("bad", [{"origin": "https://evil.example"}, {"flags": PRESENT}])
def test_another_origin_and_a_missing_verification_are_refused(owner, fresh, bad):
    vars(fresh).update(bad)

    assert problems(owner.post(PASSKEYS, fresh.create(creation_options(owner)))) == INVALID
    assert not Passkey.objects.exists()


@pytest.mark.parametrize("text", ["", "AA", "x" * 5000, "W10", "eyJjaGFsbGVuZ2UiOiBbXX0", "é"])
def test_client_data_that_is_none_is_refused(owner, text):
    body = {"id": "AA", "rawId": "AA", "type": "public-key"}
    body["response"] = {"clientDataJSON": text, "attestationObject": "AA"}

    assert owner.post(PASSKEYS, body).status_code == 400


# --- log-in -----------------------------------------------------------------------------------------


def test_a_passkey_opens_a_session_without_a_password(key, owner):
    response = data(enter(key.get(request_options())))

    assert response["user"]["email"] == owner.user.email
    assert Passkey.objects.get().last_used_at


def test_the_tokens_may_be_in_cookies(key):
    response = enter(key.get(request_options()), "?delivery=cookie")

    assert (response.status_code, "tokens" in data(response)) == (200, False)


def test_an_assertion_is_used_once(key):
    credential = key.get(request_options())

    assert enter(credential).status_code == 200
    assert refusal(enter(credential)) == REFUSED


def test_a_challenge_of_a_log_in_is_valid_for_five_minutes(clock, key):
    credential = key.get(request_options())
    clock.shift(301)

    assert refusal(enter(credential)) == REFUSED


def test_a_challenge_of_a_registration_is_none_of_a_log_in(key, owner):
    options = {**request_options(), "challenge": creation_options(owner)["challenge"]}

    assert refusal(enter(key.get(options))) == REFUSED


@pytest.mark.parametrize(
    "bad", [{"origin": "https://evil.example"}, {"flags": PRESENT}, {"user_handle": "AAAA"}, {"count": 0}]
)
def test_a_wrong_origin_verification_user_or_counter_is_refused(key, bad):
    enter(key.get(request_options()))
    vars(key).update(bad)

    assert refusal(enter(key.get(request_options()))) == REFUSED


def test_a_changed_signature_and_an_unknown_passkey_are_refused(key, settings):
    credential = key.get(request_options())
    credential["response"]["signature"] = changed(credential["response"]["signature"])

    assert refusal(enter(credential)) == REFUSED
    unknown = Authenticator(settings.WEBAUTHN_ORIGINS[0], user_handle="AAAA")
    assert refusal(enter(unknown.get(request_options()))) == REFUSED


def test_a_lock_out_does_not_concern_a_passkey(key, owner):
    lock_out(owner.user)

    assert enter(key.get(request_options())).status_code == 200


def test_a_suspended_or_deleted_user_is_refused(key, owner, admin):
    suspend(user=owner.user, actor=admin.user)
    assert refusal(enter(key.get(request_options()))) == (403, "ACCOUNT_SUSPENDED")

    User.objects.get(pk=owner.user.pk).soft_delete()
    assert refusal(enter(key.get(request_options()))) == REFUSED


# --- step-up and removal ----------------------------------------------------------------------------


def test_a_passkey_steps_the_session_up(key, owner, stranger):
    credential = key.get(request_options())
    assert refusal(stranger.post(f"{API}/auth/step-up", {"passkey": credential})) == (401, "MFA_INVALID")
    assert refusal(owner.post(f"{API}/auth/step-up", {"passkey": credential})) == (401, "MFA_INVALID")

    assert owner.post(f"{API}/auth/step-up", {"passkey": key.get(request_options())}).status_code == 204
    assert owner.patch(f"{API}/users/me", {"email": "new@example.com"}).status_code == 200


def test_it_is_removed_with_the_password_and_a_code(key, owner, stranger):
    added = data(key.added, 201)
    path, body = f"{PASSKEYS}/{added['id']}", {"currentPassword": PASSWORD, "code": added["recoveryCodes"][0]}

    assert refusal(stranger.delete(path, body)) == (404, "NOT_FOUND")
    assert refusal(owner.delete(path, {**body, "code": "123456"})) == (401, "MFA_INVALID")
    assert owner.delete(path, body).status_code == 204
    assert not RecoveryCode.objects.exists()
    assert log_in_with(owner.user.email).status_code == 200


def test_expired_challenges_are_purged(clock, owner, key):
    request_options()
    clock.shift(301)
    call_command("purge", verbosity=0)

    assert not WebauthnChallenge.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_twenty_uses_of_one_assertion_one_opens_a_session(key):
    credential = key.get(request_options())

    statuses = [response.status_code for response in together(*[partial(enter, credential)] * 20)]

    assert (statuses.count(200), statuses.count(401)) == (1, 19)
