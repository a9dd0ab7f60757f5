"""Undoing the deletion of the own account by the link in the email that confirms it."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import OneTimeToken, User
from accounts.services.erasure import erase
from accounts.services.passwords import issue_token
from accounts.services.restores import void_restored_links
from accounts.tests.checks import (
    API,
    access_of,
    audit_holds,
    event,
    events,
    log_in_with,
    problems,
    refusal,
    token_in,
    token_to,
    try_token,
)
from accounts.tests.factories import PASSWORD, UserFactory
from core.db.retention import purge_expired
from core.tests.parallel import together

pytestmark = pytest.mark.django_db

URL = f"{API}/users/undelete"
INVALID = [("token", "invalid_token")]


def delete(caller):
    assert caller.delete(f"{API}/users/me", {"currentPassword": PASSWORD}).status_code == 204


@pytest.fixture
def link(owner, emailed_token):
    """Delete the account of the owner and return the token of the email."""
    delete(owner)
    return emailed_token(owner.user.email)


def undelete(client, token):
    return client.post(URL, {"token": token})


def is_back(owner):
    return User.objects.not_deleted().filter(pk=owner.user.pk).exists()


def test_the_email_says_until_when_it_can_be_undone(owner, deliver, settings):
    settings.FRONTEND_URL = "https://app.example.com"
    delete(owner)
    [mail] = deliver()

    assert (mail.to, mail.subject) == ([owner.user.email], "Your account was deleted")
    until = User.objects.get(pk=owner.user.pk).deleted_at + timedelta(days=30)
    assert f"{until.day} {until:%B %Y, %H:%M} UTC" in mail.body
    assert f"https://app.example.com/account/undelete?token={token_in(mail)}" in mail.body


def test_the_account_is_back(owner, anonymous, link):
    response = undelete(anonymous, link)

    assert (response.status_code, response.content) == (204, b"")
    user = User.objects.get(pk=owner.user.pk)
    assert (user.status, user.email, user.name) == ("active", owner.user.email, owner.user.name)
    assert log_in_with(owner.user.email).status_code == 200


def test_no_session_comes_back(owner, anonymous, link):
    undelete(anonymous, link)

    assert try_token(access_of(owner)) == "TOKEN_REVOKED"
    assert not owner.user.sessions.live().exists()


def test_the_link_works_once(owner, anonymous, link, log_in):
    undelete(anonymous, link)
    assert problems(undelete(anonymous, link)) == INVALID

    delete(log_in(owner.user))
    assert problems(undelete(anonymous, link)) == INVALID
    assert not is_back(owner)


def test_a_thief_cannot_void_the_undo_of_a_change_of_address_by_both(owner, anonymous, emailed_token):
    User.objects.filter(pk=owner.user.pk).update(email="thief@example.com")
    undo = issue_token(owner.user, "email_undo", owner.user.email, timedelta(days=7))
    delete(owner)
    path = f"{API}/auth/undo-email-change"
    assert problems(anonymous.post(path, {"token": undo})) == INVALID

    undelete(anonymous, emailed_token("thief@example.com"))

    assert anonymous.post(path, {"token": undo}).status_code == 204
    assert User.objects.get(pk=owner.user.pk).email == owner.user.email


def test_a_deletion_does_not_suppress_the_notice_of_a_change_of_address(log_in, anonymous, deliver):
    owner = log_in(UserFactory(email_verified_at=timezone.now()))
    change = {"email": "thief@example.com", "currentPassword": PASSWORD}
    assert owner.patch(f"{API}/users/me", change).status_code == 200
    proof = token_to("thief@example.com", deliver())
    assert anonymous.post(f"{API}/auth/verify-email", {"token": proof}).status_code == 204
    delete(owner)

    tokens = {mail.to[0]: token_in(mail) for mail in deliver()}
    undelete(anonymous, tokens["thief@example.com"])

    undo = {"token": tokens[owner.user.email]}
    assert anonymous.post(f"{API}/auth/undo-email-change", undo).status_code == 204
    assert User.objects.get(pk=owner.user.pk).email == owner.user.email


def test_a_second_deletion_has_a_link_of_its_own(owner, anonymous, link, log_in, emailed_token):
    undelete(anonymous, link)
    delete(log_in(User.objects.get(pk=owner.user.pk)))

    assert undelete(anonymous, emailed_token(owner.user.email)).status_code == 204


@pytest.mark.parametrize(
    ("after", "status"), [(timedelta(days=30, seconds=-1), 204), (timedelta(days=30), 400)]
)
def test_works_until_the_data_is_erased(clock, owner, emailed_token, anonymous, after, status):
    delete(owner)
    clock.shift(timedelta(days=2))  # the email is late
    token = emailed_token(owner.user.email)
    clock.shift(after - timedelta(days=2))

    assert undelete(anonymous, token).status_code == status


def test_the_setting_of_the_trash_decides(clock, settings, owner, emailed_token, anonymous):
    settings.TRASH_RETENTION = timedelta(days=3)
    delete(owner)
    token = emailed_token(owner.user.email)
    clock.shift(timedelta(days=3, seconds=1))

    assert problems(undelete(anonymous, token)) == INVALID
    assert purge_expired()["deleted accounts"] == 1


def test_a_taken_address_is_a_conflict_and_does_not_spend_the_link(owner, anonymous, link):
    other = UserFactory(email=owner.user.email)

    assert refusal(undelete(anonymous, link)) == (409, "EMAIL_EXISTS")
    other.soft_delete()
    assert undelete(anonymous, link).status_code == 204


def test_an_account_that_is_back_is_not_erased(clock, owner, anonymous, link):
    undelete(anonymous, link)
    clock.shift(timedelta(days=31))

    assert purge_expired()["deleted accounts"] == 0
    assert is_back(owner)


def test_a_purge_that_read_it_before_does_not_erase_it(owner, anonymous, link):
    read_before = User.objects.get(pk=owner.user.pk)
    undelete(anonymous, link)
    erase(user=read_before)

    assert is_back(owner)


def test_a_deletion_by_an_admin_sends_no_link(admin, owner, deliver):
    admin.delete(f"{API}/users/{owner.user.pk}")

    assert deliver() == []
    assert not OneTimeToken.objects.exists()


def test_an_email_that_waits_is_not_sent_once_the_account_is_back(owner, anonymous, deliver):
    delete(owner)
    User.objects.get(pk=owner.user.pk).restore()

    assert deliver() == []


@pytest.mark.parametrize("purpose", ["password_reset", "email_proof", "email_undo", "invitation"])
def test_a_link_of_another_kind_undoes_nothing(owner, anonymous, link, purpose):
    token = issue_token(owner.user, purpose, owner.user.email, timedelta(hours=1))

    assert problems(undelete(anonymous, token)) == INVALID
    assert not is_back(owner)


@pytest.mark.parametrize("path", ["reset-password", "verify-email", "undo-email-change"])
def test_the_link_does_nothing_else(anonymous, link, path):
    response = anonymous.post(f"{API}/auth/{path}", {"token": link, "password": "An0ther-battery-staple"})

    assert problems(response) == INVALID


@pytest.mark.parametrize("token", ["unknown", "", None, "x" * 201])
def test_a_wrong_token_is_refused(anonymous, token):
    [(field, _code)] = problems(undelete(anonymous, token))

    assert field == "token"


def test_is_audited_without_the_token(owner, anonymous, link):
    undelete(anonymous, link)

    assert (event("user.undeleted").actor_id, event("user.undeleted").target_id) == (owner.user.pk,) * 2
    assert not audit_holds(link)


def test_a_refused_link_is_audited(anonymous, link):
    undelete(anonymous, link)
    undelete(anonymous, link)

    assert events()[-1] == "link.refused"


def test_only_a_hash_is_stored(link):
    assert link not in str(list(OneTimeToken.objects.values()))


def test_it_counts_in_the_limit_of_the_address(rates, anonymous):
    rates(auth=1)
    undelete(anonymous, "unknown")

    assert refusal(undelete(anonymous, "unknown")) == (429, "RATE_LIMITED")


def test_a_restored_backup_leaves_the_link(anonymous, link):
    void_restored_links()

    assert undelete(anonymous, link).status_code == 204


@pytest.mark.django_db(transaction=True)
def test_one_link_used_10_times_undoes_one_deletion(owner, link):
    responses = together(*(partial(undelete, APIClient(), link) for _ in range(10)))

    assert sorted(response.status_code for response in responses) == [204] + [400] * 9
    assert events().count("user.undeleted") == 1


@pytest.mark.django_db(transaction=True)
def test_of_an_undo_and_a_registration_one_gets_the_address(owner, link):
    body = {"email": owner.user.email, "password": PASSWORD, "name": "Ann"}

    undone, registered = together(
        partial(undelete, APIClient(), link), partial(APIClient().post, f"{API}/auth/register", body)
    )

    assert sorted((undone.status_code, registered.status_code)) in ([201, 409], [204, 409])
    assert User.objects.with_email(owner.user.email).count() == 1
