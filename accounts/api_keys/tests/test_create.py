import re
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from accounts.api_keys.models import ApiKey
from accounts.api_keys.secrets import PATTERN, is_well_formed
from accounts.api_keys.services import MAX_KEYS
from accounts.models import Session
from accounts.tests.checks import API, audit_holds, data, event, problems, refusal
from accounts.tests.factories import PASSWORD
from accounts.tests.test_secrets_at_rest import dump
from core.tests.parallel import together

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/api-keys"
BODY = {"name": "Nightly export", "scopes": ["jobs:read"], "currentPassword": PASSWORD}


@pytest.fixture(autouse=True)
def _scopes(monkeypatch):
    """Replace the scopes of the installed apps, which a copy of the project may remove."""
    monkeypatch.setattr("accounts.api_keys.serializers.all_scopes", lambda: ["jobs:read", "jobs:write"])


def create(caller, headers=None, **values):
    return caller.post(URL, {**BODY, **values}, headers=headers)


def test_the_key_is_shown_once(owner):
    created = data(create(owner), 201)

    key = created.pop("key")
    assert re.fullmatch(PATTERN, key)
    assert is_well_formed(key)
    assert key.startswith(created["prefix"])
    assert data(owner.get(URL)) == [created]
    assert created.keys() == {"id", "name", "prefix", "scopes", "createdAt", "expiresAt", "lastUsedAt"}
    assert created["lastUsedAt"] is None
    row = ApiKey.objects.get()
    assert row.expires_at - row.created_at == timedelta(days=365)


def test_a_well_formed_key_has_the_right_checksum(owner):
    key = data(create(owner), 201)["key"]

    other = "A" if key[-1] != "A" else "B"
    assert not is_well_formed(key[:-1] + other)
    assert not is_well_formed(key + "A")


def test_neither_the_database_nor_the_audit_log_holds_the_key(owner):
    key = data(create(owner, headers={"Idempotency-Key": "key-1"}), 201)["key"]

    stored = dump()
    assert key not in stored
    assert key[15:] not in stored
    assert not audit_holds(key[15:], PASSWORD)
    created = event("api_key.created")
    assert (created.actor_id, created.target_id) == (owner.user.pk, ApiKey.objects.get().pk)
    assert created.changes == {"name": [None, "Nightly export"], "scopes": [[], ["jobs:read"]]}


def test_its_user_gets_an_email_without_the_key(owner, deliver):
    key = data(create(owner), 201)["key"]

    [mail] = deliver()
    assert (mail.to, mail.subject) == ([owner.user.email], "An API key was created")
    assert "Nightly export" in mail.body
    assert key[4:] not in str(mail.message())


def test_a_repeated_request_makes_one_key(owner):
    first, second = (create(owner, headers={"Idempotency-Key": "key-1"}) for _ in range(2))

    assert data(first, 201) == data(second, 201)
    assert ApiKey.objects.count() == 1


def test_needs_the_password_or_a_step_up(owner):
    body = {name: value for name, value in BODY.items() if name != "currentPassword"}

    assert refusal(owner.post(URL, body)) == (403, "STEP_UP_REQUIRED")
    assert problems(create(owner, currentPassword="Wr0ng-password")) == [
        ("currentPassword", "wrong_password")
    ]
    assert not ApiKey.objects.exists()

    owner.post(f"{API}/auth/step-up", {"currentPassword": PASSWORD})
    data(owner.post(URL, body), 201)


def test_a_step_up_that_ends_before_the_lock_does_not_count(owner, just_before):
    owner.post(f"{API}/auth/step-up", {"currentPassword": PASSWORD})
    body = {name: value for name, value in BODY.items() if name != "currentPassword"}

    with just_before("SAVEPOINT", lambda: Session.objects.update(step_up_expires_at=None)):
        assert refusal(owner.post(URL, body)) == (403, "STEP_UP_REQUIRED")

    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"name": " "}, ("name", "blank")),
        ({"name": "x" * 101}, ("name", "max_length")),
        ({"scopes": "jobs:read"}, ("scopes", "not_a_list")),
        ({"scopes": ["jobs:read", "jobs:delete"]}, ("scopes.1", "unknown_scope")),
        ({"scopes": ["users:read"]}, ("scopes.0", "unknown_scope")),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, ("expiresAt", "invalid")),
        ({"expiresAt": "tomorrow"}, ("expiresAt", "invalid")),
    ],
)
def test_refuses_wrong_values(owner, values, problem):
    assert problems(create(owner, **values)) == [problem]
    assert not ApiKey.objects.exists()


def test_an_unknown_scope_names_the_known_ones(owner):
    [detail] = create(owner, scopes=["everything"]).json()["error"]["details"]

    assert "jobs:read, jobs:write" in detail["message"]


def test_expires_within_a_year(owner):
    now = timezone.now()

    year = data(create(owner, expiresAt=(now + timedelta(days=365)).isoformat()), 201)
    longer = create(owner, expiresAt=(now + timedelta(days=367)).isoformat())

    assert year["expiresAt"].startswith(f"{now + timedelta(days=365):%Y-%m-%dT%H:%M}")
    assert problems(longer) == [("expiresAt", "invalid")]


def test_a_user_has_at_most_fifty_keys(owner, stranger, key_of):
    for _ in range(MAX_KEYS):
        client = key_of(owner.user)

    response = create(owner)

    assert refusal(response) == (409, "CONFLICT")
    assert str(MAX_KEYS) in response.json()["error"]["message"]
    assert create(stranger).status_code == 201
    owner.delete(f"{URL}/{client.key.pk}")
    assert create(owner).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_parallel_requests_do_not_exceed_the_limit(owner, key_of, monkeypatch):
    owner.post(f"{API}/auth/step-up", {"currentPassword": PASSWORD})
    monkeypatch.setattr("accounts.api_keys.services.MAX_KEYS", 5)
    body = {name: value for name, value in BODY.items() if name != "currentPassword"}

    responses = together(*[partial(owner.post, URL, body)] * 20)

    assert sorted(response.status_code for response in responses) == [201] * 5 + [409] * 15
    assert ApiKey.objects.count() == 5
