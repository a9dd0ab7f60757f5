from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from accounts.api_keys.authentication import live_key
from accounts.api_keys.models import ApiKey
from accounts.api_keys.secrets import new_secret
from accounts.models import User
from accounts.services import passwords, sessions, suspension
from accounts.services.recovery import void_open_links
from accounts.tests.checks import API, NEW_PASSWORD, data, event, events, refusal
from accounts.tests.factories import PASSWORD
from core.backups.settlement import settles
from core.tests.parallel import together
from core.web.errors import ApiError

pytestmark = pytest.mark.django_db

ME, URL = f"{API}/users/me", f"{API}/auth/api-keys"


def test_a_key_reads_the_profile_of_its_user(owner, key_of):
    assert data(key_of(owner.user).get(ME)) == data(owner.get(ME))


@pytest.mark.parametrize(
    "secret",
    [new_secret(), "gw_", "gw_" + "x" * 49, "gw_" + "é" * 49, "gw_" + "x" * 20_000],
    ids=["of no row", "prefix", "checksum", "letters", "length"],
)
def test_another_text_is_no_key(anonymous, secret):
    response = anonymous.get(ME, headers={"Authorization": f"Bearer {secret}".encode().decode("latin-1")})

    assert refusal(response) == (401, "UNAUTHORIZED")


def test_a_revoked_key_is_refused_with_the_next_request(owner, stranger, key_of):
    program = key_of(owner.user)
    path = f"{URL}/{program.key.pk}"

    assert refusal(stranger.delete(path)) == (404, "NOT_FOUND")
    assert program.get(ME).status_code == 200
    assert owner.delete(path).status_code == 204

    assert refusal(program.get(ME)) == (401, "TOKEN_REVOKED")
    assert refusal(owner.delete(path)) == (404, "NOT_FOUND")
    assert data(owner.get(URL)) == []
    assert event("api_key.revoked").actor_id == owner.user.pk
    assert event("api_key.refused").target_id == program.key.pk


def test_a_key_expires(clock, owner, key_of):
    program = key_of(owner.user, lifetime=timedelta(minutes=1))

    clock.shift(59)
    assert program.get(ME).status_code == 200
    clock.shift(1)
    assert refusal(program.get(ME)) == (401, "TOKEN_EXPIRED")


def test_the_last_use_is_stored_once_a_minute(clock, owner, key_of):
    program = key_of(owner.user)
    program.get(ME)
    first = ApiKey.objects.get().last_used_at

    clock.shift(59)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        program.get(ME)
    assert not [query for query in queries if "UPDATE" in query["sql"]]
    clock.shift(1)
    program.get(ME)

    assert ApiKey.objects.get().last_used_at - first == timedelta(seconds=60)


def test_one_query_authenticates(owner, key_of):
    program = key_of(owner.user)
    program.get(ME)

    with CaptureQueriesContext(connection) as queries:
        live_key(program.secret)

    assert len(queries) == 1


# --- the owner -------------------------------------------------------------------------------------


def test_a_key_of_a_suspended_user_stays_refused(owner, admin, key_of):
    program = key_of(owner.user)

    suspension.suspend(user=owner.user, actor=admin.user)
    assert refusal(program.get(ME)) == (401, "TOKEN_REVOKED")

    suspension.unsuspend(user=owner.user, actor=admin.user)
    assert refusal(program.get(ME)) == (401, "TOKEN_REVOKED")


def test_a_key_of_a_user_who_is_not_active_is_refused(owner, key_of):
    program = key_of(owner.user)
    User.objects.filter(pk=owner.user.pk).update(suspended_at=owner.user.created_at)

    assert refusal(program.get(ME)) == (401, "TOKEN_REVOKED")


def test_a_key_of_an_unverified_user_is_refused_where_it_is_required(owner, key_of, settings):
    settings.REQUIRE_VERIFIED_EMAIL = True
    User.objects.filter(pk=owner.user.pk).update(email_verified_at=None)

    assert refusal(key_of(owner.user).get(ME)) == (403, "EMAIL_UNVERIFIED")


def by_reset(user):
    token = passwords.issue_token(user, "password_reset", user.email, timedelta(hours=1))
    passwords.reset_password(token=token, password=NEW_PASSWORD)


def by_operator(user):
    passwords.set_password(user=user, password=NEW_PASSWORD, actor=None)


def by_disowning(user):
    token = passwords.issue_token(
        user, "not_me", user.email, timedelta(hours=1), session=user.sessions.first()
    )
    sessions.disown_session(token=token)


def by_restore(_user):
    settles["api_keys"]()


@pytest.mark.parametrize("recover", [by_reset, by_operator, by_disowning, by_restore])
def test_a_recovery_revokes_keys(owner, stranger, key_of, recover):
    program, other = key_of(owner.user), key_of(stranger.user)

    recover(owner.user)

    assert refusal(program.get(ME)) == (401, "TOKEN_REVOKED")
    assert (other.get(ME).status_code == 200) is (recover is not by_restore)


def test_a_change_of_the_password_and_a_log_out_retain_keys(owner, key_of):
    program = key_of(owner.user)

    owner.post(f"{API}/auth/change-password", {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD})
    owner.post(f"{API}/auth/logout-all")
    void_open_links(user=owner.user, actor_id=None)

    assert program.get(ME).status_code == 200


# --- limits, safe retries, plain views ----------------------------------------------------------------


def test_each_key_has_its_own_rate_limit(owner, key_of, rates):
    rates(key=2, user=50)
    one, other = key_of(owner.user), key_of(owner.user)

    assert [one.get(ME).status_code for _ in range(3)] == [200, 200, 429]
    assert other.get(ME)["RateLimit-Limit"] == "2"
    assert owner.get(ME)["RateLimit-Remaining"] == "49"


class Plain(APIView):
    def get(self, request):
        return Response({})


class Declared(Plain):
    key_scope = "reports"


@pytest.mark.parametrize(("view", "allowed"), [(Plain, []), (Declared, ["reports:read"])])
def test_a_plain_view_refuses_keys_unless_it_declares_a_scope(owner, key_of, view, allowed, monkeypatch):
    monkeypatch.setattr("core.api.scopes.names", lambda _resolver: {Declared: "reports"})
    get = partial(APIRequestFactory().get, "/")

    for scope in ("other:read", "reports:write", "reports:read"):
        program = key_of(owner.user, scope)
        response = view.as_view()(get(HTTP_AUTHORIZATION=f"Bearer {program.secret}"))
        assert response.status_code == (200 if scope in allowed else 403)


@pytest.mark.django_db(transaction=True)
def test_after_a_revocation_in_parallel_no_request_succeeds(owner, key_of):
    program = key_of(owner.user)

    together(*[partial(program.get, ME)] * 4, partial(owner.delete, f"{URL}/{program.key.pk}"))

    with pytest.raises(ApiError, match="session"):
        live_key(program.secret)
    assert events().count("api_key.revoked") == 1
