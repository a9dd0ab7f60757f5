"""A retried POST with its key has its effect once, and gets the first response again."""

import datetime
import hashlib
import json
import threading

import pytest
import time_machine
from django.db import connection, connections
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services.sessions import open_session
from accounts.tests.factories import PASSWORD, UserFactory
from core.api.models import StoredResponse
from core.db.retention import purge_expired
from resources.models import Resource

USERS = "/api/v1/users"
URL, TITLE = "/api/v1/resources", {"title": "Once"}
PERSON = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}
one_transaction = pytest.mark.django_db
real_transactions = pytest.mark.django_db(transaction=True)


def send(caller, body=TITLE, key="k-1", url=URL):
    return caller.post(url, body, HTTP_IDEMPOTENCY_KEY=key)


def code(response):
    return response.json()["error"]["code"]


@one_transaction
def test_a_retry_gets_the_first_response_and_no_second_effect(owner):
    first, again = send(owner), send(owner)

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert [again[name] for name in ("ETag", "Location")] == [first[name] for name in ("ETag", "Location")]
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert Resource.objects.count() == 1


@one_transaction
def test_without_a_key_every_post_creates(owner):
    owner.post(URL, TITLE)
    owner.post(URL, TITLE)

    assert Resource.objects.count() == 2


@one_transaction
def test_another_body_under_the_same_key_is_refused(owner):
    send(owner)
    response = send(owner, {"title": "Other"})

    assert (response.status_code, code(response)) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert Resource.objects.count() == 1


@one_transaction
def test_another_path_under_the_same_key_is_refused(admin):
    send(admin)

    assert code(send(admin, PERSON, url=USERS)) == "IDEMPOTENCY_KEY_REUSED"


@one_transaction
def test_the_order_of_the_members_does_not_matter(owner):
    send(owner, {"title": "a", "content": "b"})

    assert send(owner, {"content": "b", "title": "a"})["Idempotency-Replayed"] == "true"


@one_transaction
@pytest.mark.parametrize("value", [10**30, -(10**30), 1e300, {"": [None, 10**25]}])
def test_an_ignored_field_may_hold_any_json(owner, value):
    body = TITLE | {"nothing": value}

    assert send(owner, body).status_code == 201
    assert send(owner, body)["Idempotency-Replayed"] == "true"


@one_transaction
def test_two_users_may_use_one_key(owner, stranger):
    assert send(owner).json()["data"]["id"] != send(stranger).json()["data"]["id"]


@one_transaction
@pytest.mark.parametrize("role", ["user", "staff"])
def test_a_response_to_an_admin_is_not_repeated_under_another_role(admin, owner, role):
    theirs = Resource.objects.create(user=owner.user, title="Theirs")
    change = {"method": "update", "id": str(theirs.pk), "data": {"content": "New"}}
    sent = [({"operations": [change]}, "b", f"{URL}/bulk"), (PERSON, "u", USERS)]
    assert [send(admin, *request).status_code for request in sent] == [200, 201]
    assert [send(admin, *request)["Idempotency-Replayed"] for request in sent] == ["true"] * 2
    User.objects.filter(pk=admin.user.pk).update(role=role)

    assert [code(send(admin, *request)) for request in sent] == ["NOT_FOUND", "EMAIL_EXISTS"]


@one_transaction
def test_a_failure_is_not_stored(owner):
    assert send(owner, {"title": ""}).status_code == 400
    assert send(owner).status_code == 201
    assert StoredResponse.objects.count() == 1


@one_transaction
@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "é", "tab\t", "nul\0"])
def test_an_invalid_key_is_refused(owner, key):
    response = send(owner, key=key)

    assert response.status_code == 400
    assert response.json()["error"]["details"][0]["field"] == "Idempotency-Key"


@one_transaction
def test_a_key_may_have_255_characters(owner):
    send(owner, key="~" * 255)

    assert send(owner, key="~" * 255)["Idempotency-Replayed"] == "true"


@one_transaction
def test_a_key_is_new_after_a_day(owner):
    send(owner)
    tomorrow = timezone.now() + datetime.timedelta(hours=24, seconds=1)
    with time_machine.travel(tomorrow, tick=False):
        caller = APIClient()
        caller.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(owner.user).access}")
        assert "Idempotency-Replayed" not in send(caller)

    assert Resource.objects.count() == 2


@one_transaction
def test_a_response_is_purged_after_a_day(owner):
    send(owner)
    purge_expired()
    assert StoredResponse.objects.count() == 1
    with time_machine.travel(timezone.now() + datetime.timedelta(hours=25), tick=False):
        purge_expired()

    assert not StoredResponse.objects.exists()


@one_transaction
def test_a_repeated_registration_is_one_account_one_email_and_the_same_tokens(anonymous, deliver):
    first = send(anonymous, PERSON, url="/api/v1/auth/register")
    again = send(anonymous, PERSON, url="/api/v1/auth/register")

    assert (again.status_code, again.content) == (201, first.content)
    assert User.objects.count() == 1
    assert len(deliver()) == 1


@one_transaction
def test_a_repeated_registration_sets_the_same_cookies(anonymous):
    url = "/api/v1/auth/register?delivery=cookie"
    first, again = send(anonymous, PERSON, url=url), send(anonymous, PERSON, url=url)

    assert len(first.cookies) == 3
    assert {k: m.OutputString() for k, m in again.cookies.items()} == {
        k: m.OutputString() for k, m in first.cookies.items()
    }


@one_transaction
def test_the_stored_response_is_encrypted(anonymous):
    response = send(anonymous, PERSON, url="/api/v1/auth/register")
    tokens = response.json()["data"]["tokens"]
    stored = StoredResponse.objects.get()

    for secret in (tokens["accessToken"], tokens["refreshToken"], "ann@example.com", "k-1"):
        assert secret.encode() not in bytes(stored.content)
        assert secret not in stored.name


@one_transaction
@pytest.mark.parametrize("position", [0, 12, 26, -1])
def test_a_stored_response_with_a_changed_byte_is_never_replayed(owner, position):
    """The database alone cannot make the product return other data."""
    send(owner)
    stored = StoredResponse.objects.get()
    changed = bytearray(stored.content)
    changed[position] ^= 1
    stored.content = bytes(changed)
    stored.save()

    assert send(owner).status_code == 500


@one_transaction
def test_the_fingerprint_cannot_be_made_without_the_clients_key(owner):
    """The body of a registration contains a password: the row alone must not confirm a guess of the body."""
    send(owner, key="k-1")
    send(owner, key="k-2")
    body = json.dumps(TITLE).encode()
    first, second = StoredResponse.objects.values_list("fingerprint", flat=True)

    assert first != second
    assert hashlib.sha256(f"POST {URL} ".encode() + body).hexdigest() not in {first, second}


@one_transaction
def test_the_fingerprint_cannot_be_made_without_the_servers_key(owner, settings):
    send(owner)
    settings.SECRET_KEY = "another" * 10
    send(owner)
    first, second = StoredResponse.objects.values_list("fingerprint", flat=True)

    assert first != second


@one_transaction
def test_a_revoked_caller_gets_no_replay(owner):
    send(owner)
    owner.post("/api/v1/auth/logout")

    assert send(owner).status_code == 401


@real_transactions
def test_a_rolled_back_effect_stores_no_response(owner):
    """Fail before the commit, as a killed process does: there is neither the effect nor the stored response."""

    def die(execute, sql, params, many, context):
        if "core_api_storedresponse" in sql and sql.startswith("INSERT"):
            raise KeyboardInterrupt
        return execute(sql, params, many, context)

    with connection.execute_wrapper(die), pytest.raises(KeyboardInterrupt):
        send(owner)

    assert not Resource.objects.exists()
    assert send(owner).status_code == 201


@real_transactions
def test_parallel_requests_of_one_key_have_one_effect(log_in):
    user = UserFactory()
    header = log_in(user).authorization
    for number in range(2):
        start, responses = threading.Barrier(50), []

        def request(key=f"race-{number}", start=start, responses=responses):
            caller = APIClient()
            caller.credentials(HTTP_AUTHORIZATION=header)
            start.wait(20)
            responses.append(send(caller, key=key))
            connections.close_all()

        threads = [threading.Thread(target=request) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert Resource.objects.count() == number + 1
        created = [response.content for response in responses if response.status_code == 201]
        refused = [response for response in responses if response.status_code != 201]
        assert len(responses) == 50
        caller = APIClient()
        caller.credentials(HTTP_AUTHORIZATION=header)
        replayed = send(caller, key=f"race-{number}")
        assert {*created, replayed.content} == {created[0]}
        assert replayed["Idempotency-Replayed"] == "true"
        assert {(code(response), response["Retry-After"]) for response in refused} <= {
            ("IDEMPOTENCY_IN_PROGRESS", "1")
        }
