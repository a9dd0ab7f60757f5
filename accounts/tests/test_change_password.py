import pytest

from accounts.tests.checks import (
    API,
    NEW_PASSWORD,
    access_of,
    audit_holds,
    event,
    events,
    log_in_with,
    problems,
    refresh_with,
    refusal,
    try_token,
)
from accounts.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/change-password"
WRONG = [("currentPassword", "wrong_password")]


def change(caller, current=PASSWORD, new=NEW_PASSWORD, **extra):
    return caller.post(URL, {"currentPassword": current, "newPassword": new}, **extra)


def test_changes_the_password(owner):
    response = change(owner)

    assert (response.status_code, response.content) == (204, b"")
    assert log_in_with(owner.user.email, NEW_PASSWORD).status_code == 200
    assert refusal(log_in_with(owner.user.email, PASSWORD)) == (401, "INVALID_CREDENTIALS")


def test_ends_every_other_session_and_keeps_this_one(owner, log_in, stranger):
    elsewhere = log_in(owner.user)

    change(owner)

    assert try_token(access_of(elsewhere)) == "TOKEN_REVOKED"
    assert refusal(refresh_with(elsewhere.refresh_token)) == (401, "TOKEN_REVOKED")
    assert try_token(access_of(owner)) == try_token(access_of(stranger)) == "accepted"
    assert refresh_with(owner.refresh_token).status_code == 200


def test_a_wrong_current_password_changes_nothing(owner, log_in):
    elsewhere = log_in(owner.user)

    assert problems(change(owner, "Wr0ng-password")) == WRONG

    assert try_token(access_of(elsewhere)) == "accepted"
    assert log_in_with(owner.user.email, PASSWORD).status_code == 200


def test_spaces_of_the_current_password_are_significant(owner):
    assert problems(change(owner, PASSWORD + " ")) == WRONG
    assert change(owner, new=f" {NEW_PASSWORD} ").status_code == 204

    assert log_in_with(owner.user.email, NEW_PASSWORD).status_code == 401
    assert log_in_with(owner.user.email, f" {NEW_PASSWORD} ").status_code == 200


def test_wrong_passwords_lock_the_account(owner):
    for _ in range(5):
        assert problems(change(owner, "Wr0ng-password")) == WRONG

    locked = change(owner)

    assert refusal(locked) == (423, "ACCOUNT_LOCKED")
    assert 0 < int(locked["Retry-After"]) <= 900
    assert refusal(log_in_with(owner.user.email)) == (423, "ACCOUNT_LOCKED")
    assert try_token(access_of(owner)) == "accepted"


def test_the_right_password_clears_the_count(owner):
    for current, new in [(PASSWORD, NEW_PASSWORD), (NEW_PASSWORD, PASSWORD)]:
        for _ in range(4):
            assert problems(change(owner, "Wr0ng-password")) == WRONG
        assert change(owner, current, new).status_code == 204


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("Sh0rt", "min_length"),
        ("no-upper-c4se", "password_no_upper"),
        ("No-digit-here", "password_no_digit"),
        ("Password1", "password_too_common"),
        ("Olive-Owner1", "password_too_similar"),
        ("A1" + "x" * 127, "max_length"),
    ],
)
def test_the_new_password_must_follow_the_rules(owner, new, code):
    assert problems(change(owner, new=new)) == [("newPassword", code)]
    assert log_in_with(owner.user.email, PASSWORD).status_code == 200


def test_names_missing_fields(owner):
    assert problems(owner.post(URL, {})) == [("currentPassword", "required"), ("newPassword", "required")]


def test_sends_the_owner_one_email(owner, deliver):
    change(owner)

    [mail] = deliver()
    assert mail.to == [owner.user.email]
    assert NEW_PASSWORD not in mail.body


def test_is_audited_without_secrets(owner):
    change(owner, headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9")

    changed = event("password.changed")
    assert (changed.actor_id, changed.target_id) == (owner.user.pk, owner.user.pk)
    assert (changed.ip_address, changed.request_id) == ("203.0.113.9", "req-1")
    assert not audit_holds(PASSWORD, NEW_PASSWORD)


def test_a_wrong_password_is_audited(owner):
    change(owner, "Wr0ng-password")

    assert events() == ["login.failed"]
    assert event("login.failed").target_id == owner.user.pk


def test_keeps_the_own_browser_session_of_the_admin(owner):
    before = owner.user.get_session_auth_hash()

    change(owner)

    owner.user.refresh_from_db()
    assert owner.user.get_session_auth_hash() != before
