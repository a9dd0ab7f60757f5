"""`/users/me/identities`: linked with a proof, listed, unlinked unless it is the last way in."""

from datetime import timedelta

import pytest

from accounts.mfa.models import Passkey
from accounts.mfa.tests.devices import enrolled
from accounts.models import Lockout, User
from accounts.oidc.models import Identity
from accounts.oidc.services import MAX_IDENTITIES, settle_restore
from accounts.oidc.tests.provider import ANN
from accounts.services.passwords import issue_token, reset_password
from accounts.tests.checks import API, NEW_PASSWORD, data, event, events, problems, refusal
from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

URL = f"{API}/users/me/identities"


@pytest.fixture
def owner(browser, log_in):
    """Return the client of an owner who also has the cookie of a sign-in."""
    user = UserFactory(name="Olive Owner")
    caller = log_in(user)
    browser.user, browser.session_id = user, caller.session_id
    browser.credentials(HTTP_AUTHORIZATION=caller.authorization)
    return browser


@pytest.fixture
def linked(owner):
    return data(link(owner), 201)


def link(caller, **values):
    body = {"provider": "acme", "currentPassword": PASSWORD, **caller.consented(), **values}
    return caller.post(URL, {name: value for name, value in body.items() if value is not None})


def unlink(caller, identity):
    return caller.delete(f"{URL}/{identity['id']}")


def test_a_linked_identity_logs_in(owner, browser_at, deliver, provider):
    provider.person["email_verified"] = False  # its user has proven to be both
    identity = data(link(owner), 201)

    assert identity.keys() == {"id", "provider", "email", "createdAt", "lastUsedAt"}
    assert data(owner.get(URL)) == [identity]
    assert (identity["provider"], identity["email"]) == ("acme", "ann@example.com")
    assert event("identity.linked").actor_id == owner.user.pk
    [notice] = deliver()
    assert (notice.to, notice.subject) == ([owner.user.email], "Acme was linked to your account")
    assert data(browser_at().finish())["user"]["id"] == str(owner.user.pk)
    assert data(owner.get(URL))[0]["lastUsedAt"] is not None


def test_linking_needs_the_password_or_a_step_up(owner, provider):
    assert refusal(link(owner, currentPassword=None)) == (403, "STEP_UP_REQUIRED")
    assert problems(link(owner, currentPassword="Wr0ng-password")) == [("currentPassword", "wrong_password")]
    assert "/token" not in provider.paths  # the sign-in is not spent

    owner.post(f"{API}/auth/step-up", {"currentPassword": PASSWORD})
    data(link(owner, currentPassword=None), 201)


def test_the_sign_in_is_of_this_browser(owner, browser_at):
    elsewhere = browser_at().consented()

    assert problems(link(owner, **elsewhere)) == [("state", "invalid_state")]
    assert problems(link(owner, provider="other")) == [("provider", "unknown_provider")]
    assert not Identity.objects.exists()


def test_a_repeated_request_links_once(owner):
    body = {"provider": "acme", "currentPassword": PASSWORD, **owner.consented()}

    first, second = (owner.post(URL, body, headers={"Idempotency-Key": "key-1"}) for _ in range(2))

    assert data(first, 201) == data(second, 201)


def test_an_identity_is_of_one_account(owner, linked, log_in, browser_at):
    other = browser_at()
    other.credentials(HTTP_AUTHORIZATION=log_in(UserFactory()).authorization)

    for caller in (owner, other):
        assert refusal(link(caller)) == (409, "CONFLICT")
    assert Identity.objects.get().user_id == owner.user.pk
    assert unlink(other, linked).status_code == 404


def test_a_user_has_a_bounded_number(owner, monkeypatch):
    assert MAX_IDENTITIES == 20
    monkeypatch.setattr("accounts.oidc.services.MAX_IDENTITIES", 0)

    assert refusal(link(owner)) == (409, "CONFLICT")


def test_an_unlinked_identity_logs_in_no_more(owner, linked, browser_at, deliver):
    deliver()
    assert unlink(owner, linked).status_code == 204

    assert data(owner.get(URL)) == []
    assert event("identity.unlinked").target_id.hex == linked["id"].replace("-", "")
    assert [mail.subject for mail in deliver()] == ["Acme was unlinked from your account"]
    assert data(browser_at().finish())["user"]["id"] != str(owner.user.pk)


def test_the_last_way_in_stays(browser, provider, settings):
    tokens = data(browser.finish())["tokens"]
    browser.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['accessToken']}")
    [identity] = data(browser.get(URL))
    user = User.objects.get()

    assert refusal(unlink(browser, identity)) == (409, "CONFLICT")
    gone = Identity.objects.create(user=user, provider="gone", issuer="https://gone.example", subject="1")
    assert refusal(unlink(browser, identity)) == (409, "CONFLICT")  # the other one logs nobody in
    gone.delete()
    Identity.objects.create(user=user, provider="acme", issuer=provider.issuer, subject="ann-2")
    assert unlink(browser, identity).status_code == 204


def test_a_user_without_a_password_sets_one_by_email(browser, emailed_token):
    data(browser.finish())
    browser.post(f"{API}/auth/forgot-password", {"email": ANN["email"]})

    body = {"token": emailed_token(ANN["email"]), "password": NEW_PASSWORD}
    assert browser.post(f"{API}/auth/reset-password", body).status_code == 204

    assert Identity.objects.count() == 1
    assert data(browser.post(f"{API}/auth/login", {"email": ANN["email"], "password": NEW_PASSWORD}))


def reset(user):
    token = issue_token(user, "password_reset", user.email, timedelta(hours=1))
    reset_password(token=token, password=NEW_PASSWORD)


@pytest.mark.parametrize("recover", [reset, lambda _user: settle_restore()])
def test_a_recovery_unlinks_what_may_be_a_thiefs(owner, linked, recover, provider):
    Identity.objects.create(
        user=owner.user,
        provider="acme",
        issuer=provider.issuer,
        subject="own",
        email=owner.user.email,
        email_verified=True,
    )

    recover(owner.user)

    assert [identity.subject for identity in Identity.objects.all()] == ["own"]


def test_a_suspension_unlinks_nothing(owner, linked, admin):
    data(admin.patch(f"{API}/users/{owner.user.pk}", {"status": "suspended"}))

    assert Identity.objects.count() == 1
    assert "identity.unlinked" not in events()


def test_a_session_that_has_ended_links_nothing(owner, just_before):
    with just_before("SAVEPOINT", lambda: owner.user.sessions.end("logout")):
        assert refusal(link(owner)) == (401, "TOKEN_REVOKED")

    assert not Identity.objects.exists()


def test_a_second_factor_counts_here_too(owner, linked, browser_at):
    codes = enrolled(owner).recovery_codes
    browser = browser_at()

    missing = browser.finish()
    assert refusal(missing) == (401, "MFA_REQUIRED")
    assert missing.json()["error"]["details"][0]["field"] == "mfaCode"
    assert refusal(browser.finish({**browser.consented(), "mfaCode": "000000"})) == (401, "MFA_INVALID")
    assert Lockout.objects.exists()
    assert data(browser.finish({**browser.consented(), "mfaCode": codes[0]}))
    assert refusal(browser.finish({**browser.consented(), "mfaCode": codes[0]})) == (401, "MFA_INVALID")


def test_a_passkey_is_another_way_in(owner, linked):
    User.objects.update(password="!")
    assert refusal(unlink(owner, linked)) == (409, "CONFLICT")

    Passkey.objects.create(user=owner.user, name="Key", credential_id="id", public_key=b"key")
    assert unlink(owner, linked).status_code == 204
