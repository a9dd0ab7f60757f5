import pytest

from accounts.models import User
from accounts.tests.checks import API, access_of, event, refresh_with, refusal, try_token

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/logout-all"


def test_ends_every_session_of_the_caller(owner, log_in):
    elsewhere = log_in(owner.user)

    response = owner.post(URL)

    assert (response.status_code, response.content) == (204, b"")
    for caller in (owner, elsewhere):
        assert try_token(access_of(caller)) == "TOKEN_REVOKED"
        assert refusal(refresh_with(caller.refresh_token)) == (401, "TOKEN_REVOKED")


def test_other_users_are_unchanged(owner, stranger):
    owner.post(URL)

    assert try_token(access_of(stranger)) == "accepted"
    assert refresh_with(stranger.refresh_token).status_code == 200


def test_ends_the_browser_sessions_of_the_admin_too(admin):
    before = User.objects.get(pk=admin.user.pk).get_session_auth_hash()

    admin.post(URL)

    assert User.objects.get(pk=admin.user.pk).get_session_auth_hash() != before


def test_is_audited_with_the_number_of_sessions(owner, log_in):
    log_in(owner.user)

    owner.post(URL, headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9")

    ended = event("session.all_ended")
    assert (ended.actor_id, ended.target_id) == (owner.user.pk, owner.user.pk)
    assert (ended.ip_address, ended.request_id) == ("203.0.113.9", "req-1")
    assert ended.changes == {"sessions": [2, 0]}
