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
    refresh_with,
    refusal,
    try_token,
)
from accounts.tests.factories import PASSWORD, UserFactory
from core.audit.models import AuditEvent
from core.outbox.models import OutboxMessage

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/register"
ANN = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann Able"}


def test_returns_the_user_and_a_pair_of_tokens(anonymous):
    response = data(anonymous.post(URL, ANN), 201)

    assert response.keys() == {"delivery", "user", "tokens"}
    user = User.objects.get()
    assert response["user"] == {
        "id": str(user.pk),
        "email": "ann@example.com",
        "pendingEmail": None,
        "name": "Ann Able",
        "role": "user",
        "status": "active",
        "emailVerified": False,
        "mfaEnabled": False,
        "version": user.etag.strip('"'),
        "createdAt": user.created_at.isoformat().replace("+00:00", "Z"),
        "updatedAt": user.updated_at.isoformat().replace("+00:00", "Z"),
    }
    assert response["tokens"].keys() == {"accessToken", "refreshToken", "tokenType", "expiresIn"}
    assert (response["tokens"]["tokenType"], response["tokens"]["expiresIn"]) == ("Bearer", 900)


def test_the_tokens_work(anonymous):
    tokens = data(anonymous.post(URL, ANN), 201)["tokens"]

    assert try_token(tokens["accessToken"]) == "accepted"
    assert refresh_with(tokens["refreshToken"]).status_code == 200


def test_the_password_works(anonymous):
    anonymous.post(URL, ANN)

    assert log_in_with("ann@example.com", PASSWORD).status_code == 200


def test_trims_and_lowers_the_address_and_trims_the_name(anonymous):
    response = anonymous.post(URL, ANN | {"email": "  Ann@Example.COM ", "name": "  Ann Able\t"})

    assert data(response, 201)["user"]["email"] == "ann@example.com"
    assert data(response, 201)["user"]["name"] == "Ann Able"


def test_enqueues_one_verification_email_and_sends_none_itself(anonymous, mailoutbox, emailed_token):
    anonymous.post(URL, ANN)

    assert mailoutbox == []
    assert emailed_token("ann@example.com")


def test_the_outbox_message_contains_no_secret(anonymous):
    anonymous.post(URL, ANN)

    assert OutboxMessage.objects.get().payload == {
        "user": str(User.objects.get().pk),
        "email": "ann@example.com",
    }


@pytest.mark.parametrize(
    "spelling", ["ann@example.com", "ANN@EXAMPLE.COM", " Ann@example.com", "ａｎｎ@example.com"]
)
def test_an_address_is_taken_in_every_spelling(anonymous, spelling):
    UserFactory(email="ann@example.com")

    response = anonymous.post(URL, ANN | {"email": spelling})

    assert refusal(response) == (409, "EMAIL_EXISTS")
    assert response.json()["error"]["details"] == []


def test_a_refused_registration_stores_nothing(anonymous):
    UserFactory(email="ann@example.com")

    anonymous.post(URL, ANN)

    assert User.objects.count() == 1
    assert not any(model.objects.exists() for model in (Session, OutboxMessage, AuditEvent))


def test_a_taken_address_costs_the_same_hash_as_a_free_one(anonymous, hashes):
    assert anonymous.post(URL, ANN).status_code == 201
    assert hashes.count == 1

    assert anonymous.post(URL, ANN).status_code == 409
    assert hashes.count == 2


def test_the_address_of_a_deleted_account_is_free(anonymous):
    UserFactory(email="ann@example.com").soft_delete()

    assert anonymous.post(URL, ANN).status_code == 201


def test_names_every_missing_field(anonymous):
    response = anonymous.post(URL, {})

    assert problems(response) == [("email", "required"), ("password", "required"), ("name", "required")]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("email", "ann", "invalid"),
        ("email", "", "blank"),
        ("email", None, "null"),
        ("email", 12, "invalid"),
        ("email", ["ann@example.com"], "invalid"),
        ("name", "A", "min_length"),
        ("name", "  A  ", "min_length"),
        ("name", "A" * 101, "max_length"),
        ("name", "", "blank"),
        ("name", 12, "invalid"),
        ("name", True, "invalid"),
        ("name", "Ann\r\nBcc: all@example.com", "invalid_characters"),
        ("name", "Ann\u202eelbA", "invalid_characters"),
        ("name", "Ann\x00Able", "invalid_characters"),
        ("password", 12345678, "invalid"),
        ("password", None, "null"),
    ],
)
def test_refuses_a_wrong_value_by_its_field(anonymous, field, value, code):
    response = anonymous.post(URL, ANN | {field: value})

    assert problems(response) == [(field, code)]
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["Al", "A" * 100, "Ågot Ødegård", "李明", "O’Brien-Smith 3rd"])
def test_accepts_names_of_every_kind(anonymous, name):
    assert data(anonymous.post(URL, ANN | {"name": name}), 201)["user"]["name"] == name


def test_only_three_fields_can_be_set(anonymous):
    extra = {
        "role": "admin",
        "isStaff": True,
        "is_superuser": True,
        "id": "00000000-0000-7000-8000-000000000000",
        "emailVerified": True,
        "email_verified_at": "2020-01-01T00:00:00Z",
        "createdAt": "2020-01-01T00:00:00Z",
        "deleted_at": "2020-01-01T00:00:00Z",
        "user": {"role": "admin"},
    }

    user = data(anonymous.post(URL, ANN | extra), 201)["user"]

    row = User.objects.get()
    assert (row.role, row.is_staff, row.is_superuser, row.email_verified_at) == ("user", False, False, None)
    assert user["id"] == str(row.pk) != extra["id"]
    assert row.created_at.year > 2020


def test_is_audited_with_origin_and_without_secrets(anonymous):
    response = anonymous.post(
        URL, ANN, headers={"User-Agent": "Firefox", "X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9"
    )

    user = User.objects.get()
    assert events() == ["user.created", "session.opened"]
    created = event("user.created")
    assert (created.actor_id, created.target_type, created.target_id) == (user.pk, "accounts.user", user.pk)
    assert (created.ip_address, created.user_agent, created.request_id) == ("203.0.113.9", "Firefox", "req-1")
    tokens = data(response, 201)["tokens"]
    assert not audit_holds(PASSWORD, tokens["accessToken"], tokens["refreshToken"])
