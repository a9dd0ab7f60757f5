"""Accounts that an admin creates without a password: the person gets a link to set one."""

from datetime import timedelta

import pytest

from accounts.models import OneTimeToken, User
from accounts.services import mailboxes
from accounts.services.passwords import issue_token
from accounts.tests.checks import (
    API,
    NEW_PASSWORD,
    data,
    event,
    events,
    log_in_with,
    problems,
    refusal,
    token_in,
)
from accounts.tests.factories import PASSWORD, UserFactory
from core.outbox.models import OutboxMessage
from core.tests.office import act, allow, browser_of, errors, messages_of, url_of

pytestmark = pytest.mark.django_db

URL = f"{API}/users"
ANN = {"email": "ann@example.com", "name": "Ann Able"}


@pytest.fixture
def invited(admin):
    """Return the user whom the admin has invited. The email is not sent yet."""
    return User.objects.get(pk=data(admin.post(URL, ANN), 201)["id"])


def accept(client, token, password=NEW_PASSWORD):
    return client.post(f"{API}/auth/reset-password", {"token": token, "password": password})


def test_an_admin_may_leave_out_the_password(admin):
    user = data(admin.post(URL, ANN | {"role": "staff"}), 201)

    assert (user["role"], user["status"], user["emailVerified"]) == ("staff", "active", False)


def test_the_person_gets_one_email_with_a_reset_link(invited, deliver, settings):
    settings.FRONTEND_URL = "https://app.example.com"
    [mail] = deliver()

    assert (mail.to, mail.subject) == ([invited.email], "Your new account")
    assert f"https://app.example.com/account/reset-password?token={token_in(mail)}" in mail.body


def test_the_link_sets_the_password_and_proves_the_address(invited, emailed_token, anonymous):
    assert accept(anonymous, emailed_token(invited.email)).status_code == 204

    user = data(log_in_with(invited.email, NEW_PASSWORD))["user"]
    assert user["emailVerified"] is True


def test_the_link_works_once(invited, emailed_token, anonymous):
    token = emailed_token(invited.email)
    accept(anonymous, token)

    assert problems(accept(anonymous, token, PASSWORD)) == [("token", "invalid_token")]


@pytest.mark.parametrize(("days", "status"), [(6.99, 204), (7.01, 400)])
def test_the_link_is_valid_for_7_days(clock, admin, emailed_token, anonymous, days, status):
    admin.post(URL, ANN)
    token = emailed_token(ANN["email"])
    clock.shift(timedelta(days=days))

    assert accept(anonymous, token).status_code == status


def test_a_weak_password_does_not_spend_the_link(invited, emailed_token, anonymous):
    token = emailed_token(invited.email)

    assert problems(accept(anonymous, token, "Ann-Able1")) == [("password", "password_too_similar")]
    assert accept(anonymous, token).status_code == 204


def test_only_a_hash_of_the_link_is_stored(invited, emailed_token):
    token = emailed_token(invited.email)

    stored = invited.one_time_tokens.get()
    assert stored.purpose == OneTimeToken.Purpose.INVITATION
    assert token not in str([*OneTimeToken.objects.values(), *OutboxMessage.objects.values()])


def test_nobody_logs_in_before_and_it_takes_the_same_work(invited, hashes):
    for password in ("", "!", invited.password, "Wr0ng-password"):
        hashes.runs.clear()
        response = log_in_with(invited.email, password or " ")

        assert refusal(response) == (401, "INVALID_CREDENTIALS")
        assert hashes.count == 1


def test_a_forgotten_password_is_another_way_in(invited, deliver, anonymous):
    [invitation] = deliver()
    anonymous.post(f"{API}/auth/forgot-password", {"email": invited.email})
    [reset] = deliver()

    assert accept(anonymous, token_in(reset)).status_code == 204
    assert problems(accept(anonymous, token_in(invitation))) == [("token", "invalid_token")]


def test_a_link_of_another_kind_sets_no_password(invited, anonymous):
    token = issue_token(invited, OneTimeToken.Purpose.EMAIL_PROOF, invited.email, timedelta(hours=1))

    assert problems(accept(anonymous, token)) == [("token", "invalid_token")]


def test_an_invitation_is_no_proof_of_an_address_by_itself(invited, emailed_token, anonymous):
    response = anonymous.post(f"{API}/auth/verify-email", {"token": emailed_token(invited.email)})

    assert problems(response) == [("token", "invalid_token")]


@pytest.mark.parametrize("who", ["anonymous", "owner", "staff"])
def test_everybody_else_needs_a_password(request, who):
    caller = request.getfixturevalue(who)

    assert problems(caller.post(URL, ANN)) == [("password", "required")]
    assert not User.objects.filter(email=ANN["email"]).exists()


def test_null_is_no_password(admin):
    assert problems(admin.post(URL, ANN | {"password": None})) == [("password", "null")]


def test_an_admin_with_an_expired_token_is_told_so(clock, admin):
    clock.shift(timedelta(minutes=20))

    assert refusal(admin.post(URL, ANN)) == (401, "TOKEN_EXPIRED")


def test_is_audited(admin, invited):
    assert event("user.invited").actor_id == admin.user.pk
    assert event("user.invited").target_id == invited.pk


@pytest.mark.parametrize("change", [{"status": "suspended"}, {"role": "staff"}])
def test_a_suspension_voids_the_link_and_a_role_does_not(admin, invited, emailed_token, anonymous, change):
    token = emailed_token(invited.email)
    admin.patch(f"{URL}/{invited.pk}", change)
    admin.patch(f"{URL}/{invited.pk}", {"status": "active"})

    assert accept(anonymous, token).status_code == (400 if "status" in change else 204)


@pytest.mark.parametrize("then", ["suspended", "active"])
def test_a_suspension_before_the_email_sends_none(admin, invited, deliver, then):
    admin.patch(f"{URL}/{invited.pk}", {"status": "suspended"})
    admin.patch(f"{URL}/{invited.pk}", {"status": then})

    assert deliver() == []


# --- in the admin ---------------------------------------------------------------------------------


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def test_the_form_without_a_password_invites(browser, emailed_token):
    browser.post(url_of(User, "add"), ANN | {"role": "user"})

    assert emailed_token(ANN["email"])
    assert not User.objects.get(email=ANN["email"]).has_usable_password()


def test_the_form_with_a_weak_password_does_not(browser):
    response = browser.post(url_of(User, "add"), ANN | {"role": "user", "password": "short"})

    assert errors(response)["password"]
    assert not User.objects.filter(email=ANN["email"]).exists()


def test_a_new_link_replaces_the_one_before(browser, invited, deliver, anonymous):
    [first] = deliver()
    assert messages_of(act(browser, "invite_again", invited)) == ["Invitations enqueued: 1."]
    [second] = deliver()

    assert problems(accept(anonymous, token_in(first))) == [("token", "invalid_token")]
    assert accept(anonymous, token_in(second)).status_code == 204


def test_nobody_with_a_password_is_invited(browser, owner, deliver):
    assert messages_of(act(browser, "invite_again", owner.user)) == ["Nothing to do for 1 of the chosen."]
    assert deliver() == []


def test_an_accepted_invitation_that_waits_is_not_sent(browser, invited, deliver, anonymous):
    token = issue_token(invited, OneTimeToken.Purpose.PASSWORD_RESET, invited.email, timedelta(hours=1))
    act(browser, "invite_again", invited)
    accept(anonymous, token)

    assert [mail.subject for mail in deliver()] == ["Your password was changed"]


def test_staff_with_the_permission_invite_users_only(staff, invited, log_in):
    support = browser_of(allow(staff.user, "accounts.view_user", "accounts.change_user"))
    boss = UserFactory(role="staff")
    boss.set_unusable_password()
    boss.save()

    refused = f"{boss}: Only an admin may do this to staff."
    assert messages_of(act(support, "invite_again", boss, invited)) == [refused, "Invitations enqueued: 1."]


def test_staff_without_the_permission_invite_nobody(staff, invited):
    act(browser_of(allow(staff.user, "accounts.view_user")), "invite_again", invited)

    assert events().count("user.invited") == 1


def test_the_limit_of_links_to_one_address_holds(browser, invited, deliver):
    for _ in range(mailboxes.MAX_PER_HOUR + 2):
        act(browser, "invite_again", invited)

    assert len(deliver()) == mailboxes.MAX_PER_HOUR


@pytest.mark.parametrize("change", [{"role": "user"}, {"status": "suspended"}])
def test_an_invited_admin_is_not_the_other_admin_before_the_first_password(
    admin, anonymous, emailed_token, change
):
    admin.post(URL, ANN | {"role": "admin"})
    path = f"{URL}/{admin.user.pk}"
    assert refusal(admin.patch(path, change)) == (409, "CONFLICT")

    accept(anonymous, emailed_token(ANN["email"]))
    assert admin.patch(path, change).status_code in {200, 401}
    assert [user.email for user in User.objects.active().filter(role="admin")] == [ANN["email"]]
