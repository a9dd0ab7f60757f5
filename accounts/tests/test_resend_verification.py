from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.tests.checks import API, access_of, event, events
from accounts.tests.factories import PASSWORD
from core.outbox.models import OutboxMessage

pytestmark = pytest.mark.django_db

URL = f"{API}/auth/resend-verification"


def test_emails_a_link_again(owner, emailed_token):
    response = owner.post(URL)

    assert (response.status_code, response.json()) == (202, {"success": True, "data": None})
    assert emailed_token(owner.user.email)


def test_a_verified_user_gets_the_same_response_and_no_email(owner, deliver):
    waiting = owner.post(URL, headers={"X-Request-ID": "same"})
    deliver()
    owner.user.email_verified_at = timezone.now()
    owner.user.save()

    verified = owner.post(URL, headers={"X-Request-ID": "same"})

    assert (verified.status_code, verified.content) == (202, waiting.content)
    assert deliver() == []


@pytest.mark.parametrize("verified", [False, True])
def test_is_sent_to_the_own_and_the_pending_address(owner, deliver, verified):
    owner.user.email_verified_at = timezone.now() if verified else None
    owner.user.save()
    owner.patch(f"{API}/users/me", {"email": "new@example.com", "currentPassword": PASSWORD})
    deliver()

    owner.post(URL)

    own = set() if verified else {owner.user.email}
    assert {mail.to[0] for mail in deliver()} == {"new@example.com"} | own


def test_is_not_sent_if_the_address_is_verified_first(owner, deliver):
    owner.post(URL)
    owner.user.email_verified_at = timezone.now()
    owner.user.save()

    assert deliver() == []


def test_sends_at_most_four_emails_an_hour(clock, owner, deliver):
    for _ in range(7):
        assert owner.post(URL).status_code == 202
    assert len(deliver()) == 4

    clock.shift(timedelta(hours=1, seconds=1))
    fresh = owner.post(f"{API}/auth/refresh", {"refreshToken": owner.refresh_token}).json()["data"]["tokens"]
    owner.credentials(HTTP_AUTHORIZATION=f"Bearer {fresh['accessToken']}")
    owner.post(URL)
    assert len(deliver()) == 1


def test_the_outbox_message_contains_no_secret(owner):
    owner.post(URL)

    assert OutboxMessage.objects.get().payload == {"user": str(owner.user.pk), "email": owner.user.email}


def test_is_audited(owner):
    owner.post(URL, headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9")

    recorded = event("email.proof_requested")
    assert (recorded.actor_id, recorded.ip_address, recorded.request_id) == (
        owner.user.pk,
        "203.0.113.9",
        "req-1",
    )
    assert access_of(owner) not in str(events())
