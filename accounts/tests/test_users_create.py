import pytest

from accounts.models import Session, User
from accounts.tests.checks import (
    API,
    audit_holds,
    data,
    event,
    events,
    log_in_with,
    problems,
    refusal,
)
from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

URL = f"{API}/users"
ANN = {"email": "Ann@Example.com", "password": PASSWORD, "name": "Ann Able"}


def test_anybody_may_create_an_account(anonymous):
    response = anonymous.post(URL, ANN)

    user = data(response, 201)
    assert user.keys() == {
        *("id", "email", "pendingEmail", "name", "role", "status", "emailVerified"),
        *("mfaEnabled", "version", "createdAt", "updatedAt"),
    }
    assert (user["email"], user["name"], user["role"]) == ("ann@example.com", "Ann Able", "user")
    assert log_in_with("ann@example.com").status_code == 200


def test_returns_location_and_etag(anonymous, admin):
    response = anonymous.post(f"{URL}/", ANN)

    assert response["Location"] == f"{URL}/{data(response, 201)['id']}"
    assert admin.get(response["Location"])["ETag"] == response["ETag"]


def test_logs_nobody_in(anonymous):
    response = anonymous.post(URL, ANN)

    assert "tokens" not in data(response, 201)
    assert not response.cookies
    assert not Session.objects.exists()


def test_enqueues_one_verification_email(anonymous, emailed_token):
    anonymous.post(URL, ANN)

    assert emailed_token("ann@example.com")


@pytest.mark.parametrize("role", ["user", "staff", "admin"])
def test_an_admin_may_give_a_role(admin, role):
    assert data(admin.post(URL, ANN | {"role": role}), 201)["role"] == role


@pytest.mark.parametrize("who", ["anonymous", "owner", "staff"])
def test_only_an_admin_may_give_a_role(request, who):
    caller = request.getfixturevalue(who)

    assert data(caller.post(URL, ANN | {"role": "admin"}), 201)["role"] == "user"
    assert not User.objects.get(email="ann@example.com").is_superuser


def test_a_role_must_be_one_of_three(admin):
    assert problems(admin.post(URL, ANN | {"role": "root"})) == [("role", "invalid_choice")]


def test_flags_and_times_cannot_be_set(admin):
    extra = {
        "isStaff": True,
        "is_superuser": True,
        "emailVerified": True,
        "created_at": "2020-01-01T00:00:00Z",
    }

    admin.post(URL, ANN | extra)

    user = User.objects.get(email="ann@example.com")
    assert (user.is_staff, user.is_superuser, user.email_verified) == (False, False, False)
    assert user.created_at.year > 2020


def test_a_taken_address_is_a_conflict(anonymous):
    UserFactory(email="ann@example.com")

    assert refusal(anonymous.post(URL, ANN)) == (409, "EMAIL_EXISTS")
    assert events() == []


def test_follows_the_rules_of_registration(anonymous):
    body = {"email": "ann", "password": "short", "name": " A "}

    assert problems(anonymous.post(URL, body)) == [
        ("email", "invalid"),
        ("password", "min_length"),
        ("name", "min_length"),
    ]
    assert problems(anonymous.post(URL, ANN | {"password": "Ann-Able1"})) == [
        ("password", "password_too_similar")
    ]


def test_is_audited_with_the_user_as_actor(anonymous):
    anonymous.post(URL, ANN, headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9")

    user = User.objects.get()
    created = event("user.created")
    assert (created.actor_id, created.target_id) == (user.pk, user.pk)
    assert (created.ip_address, created.request_id) == ("203.0.113.9", "req-1")
    assert not audit_holds(PASSWORD)


def test_is_audited_with_the_logged_in_user_as_actor(admin):
    admin.post(URL, ANN)

    assert event("user.created").actor_id == admin.user.pk


def test_counts_against_the_limit_of_the_public_endpoints(anonymous, settings):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "auth": (1, 900)}
    anonymous.post(f"{API}/auth/login", {})

    assert refusal(anonymous.post(URL, ANN)) == (429, "RATE_LIMITED")
