from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tests.checks import API, problems, refusal, token_in
from accounts.tests.factories import UserFactory
from core.outbox.models import OutboxMessage

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/forgot-password"


@pytest.fixture
def ann():
    return UserFactory(email="ann@example.com", name="Ann Able")


def send(client, email="ann@example.com", **extra):
    response = client.post(URL, {"email": email}, **extra)
    assert response.status_code == 202
    return response


def test_emails_one_link_to_the_front_end(anonymous, ann, deliver):
    response = send(anonymous)
    assert response.json() == {"success": True, "data": None}

    [mail] = deliver()

    assert mail.to == ["ann@example.com"]
    assert f"https://app.example.com/account/reset-password?token={token_in(mail)}" in mail.body
    assert len(token_in(mail)) >= 43  # 256 bits in base64


def test_sends_nothing_in_the_request(anonymous, ann, mailoutbox):
    send(anonymous)

    assert mailoutbox == []
    assert not ann.one_time_tokens.exists()


@pytest.mark.parametrize("kind", ["unknown", "deleted"])
def test_an_unknown_address_gets_the_same_response_for_the_same_work(anonymous, ann, deliver, kind):
    UserFactory(email="deleted@example.com").soft_delete()
    with CaptureQueriesContext(
        connection,
    ) as known_queries:
        known = send(anonymous, headers={"X-Request-ID": "same"})
    deliver()

    with CaptureQueriesContext(connection) as queries:
        # From elsewhere: the audit log has one request a minute of each address.
        response = send(
            anonymous, f"{kind}@example.com", headers={"X-Request-ID": "same"}, REMOTE_ADDR="203.0.113.9"
        )

    assert response.content == known.content
    assert response.headers.keys() == known.headers.keys()
    assert len(queries) == len(known_queries)
    assert deliver() == []


@pytest.mark.parametrize("spelling", ["ANN@EXAMPLE.COM", " ann@example.com ", "ａnn@example.com"])
def test_the_mail_goes_to_the_stored_address(anonymous, ann, deliver, spelling):
    send(anonymous, spelling)

    assert [mail.to for mail in deliver()] == [["ann@example.com"]]


@pytest.mark.parametrize(
    "address", ["", "ann", "ann@", "@example.com", "ånn@example.com", "a\u200bnn@example.com"]
)
def test_requires_an_address(anonymous, address):
    [(field, _code)] = problems(anonymous.post(URL, {"email": address}))

    assert field == "email"
    assert not OutboxMessage.objects.exists()


def test_the_link_never_follows_the_request(anonymous, ann, deliver):
    send(
        anonymous,
        headers={
            "Host": "localhost",
            "X-Forwarded-Host": "evil.example",
            "Forwarded": "host=evil.example",
            "Origin": "https://evil.example",
        },
    )

    [mail] = deliver()
    assert "evil.example" not in mail.body + str(mail.alternatives)
    assert "https://app.example.com/account/reset-password?token=" in mail.body


def test_a_forged_host_is_refused(anonymous, ann, deliver):
    response = anonymous.post(URL, {"email": "ann@example.com"}, headers={"Host": "evil.example"})

    assert refusal(response) == (400, "MALFORMED_REQUEST")
    assert deliver() == []


def test_a_redirect_in_the_body_is_ignored(anonymous, ann, deliver):
    anonymous.post(URL, {"email": "ann@example.com", "redirectTo": "https://evil.example"})

    [mail] = deliver()
    assert "evil.example" not in mail.body


def test_sends_at_most_five_emails_an_hour(clock, anonymous, ann, deliver):
    for _ in range(7):
        send(anonymous)
    assert len(deliver()) == 5

    clock.shift(timedelta(hours=1, seconds=1))
    send(anonymous)
    assert len(deliver()) == 1


def test_an_expired_outbox_message_is_not_sent(clock, anonymous, ann, deliver):
    send(anonymous)

    clock.shift(timedelta(hours=1, seconds=1))

    assert deliver() == []
    assert OutboxMessage.objects.get().status == "failed"


def test_delivering_twice_sends_once(anonymous, ann, deliver):
    send(anonymous)

    assert (len(deliver()), len(deliver())) == (1, 0)


def test_neither_outbox_nor_database_contains_the_secret(anonymous, ann, emailed_token):
    send(anonymous)
    token = emailed_token("ann@example.com")

    assert OutboxMessage.objects.get().payload == {"email": "ann@example.com"}
    assert token not in str(list(ann.one_time_tokens.values()))


def test_an_outage_of_the_mail_server_does_not_count_against_the_limit(
    clock, anonymous, ann, deliver, settings
):
    works = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    for _ in range(6):
        send(anonymous)
    assert deliver() == []

    settings.EMAIL_BACKEND = works
    clock.shift(timedelta(minutes=1))
    OutboxMessage.objects.update(due_at=timezone.now() - timedelta(minutes=1))  # due by the database's clock

    assert len(deliver()) == 5
