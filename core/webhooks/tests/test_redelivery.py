"""Deliveries that are delivered again or given up, and webhooks that are paused."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.audit.models import AuditEvent
from core.tests.factories import WebhookDeliveryFactory, WebhookFactory
from core.tests.raw_service import reply
from core.webhooks import delivering
from core.webhooks.delivering import deliver_due
from core.webhooks.models import Webhook, WebhookDelivery
from core.webhooks.tests.receiver import headers_of, receiver

pytestmark = pytest.mark.django_db
PATH = "/api/v1/webhooks"
Status = WebhookDelivery.Status


def test_a_failed_delivery_is_delivered_again(owner, webhook, endpoint):
    ended = {"status": Status.FAILED, "finished_at": timezone.now(), "attempts": 9}
    delivery = WebhookDeliveryFactory(webhook=webhook, **ended)
    path = f"{PATH}/{webhook.pk}/deliveries/{delivery.pk}/redeliver"
    response = owner.post(path)
    deliver_due()

    assert response.status_code == 202
    assert response.json()["data"]["status"] == "pending"
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == (Status.SUCCEEDED, 1)
    assert headers_of(endpoint.requests[0])[0]["webhook-id"] == str(delivery.pk)


def test_a_delivery_of_another_webhook_is_not_found(owner, stranger, webhook):
    foreign = WebhookDeliveryFactory()
    own = WebhookDeliveryFactory(webhook__user=owner.user)

    for delivery in (foreign, own):
        assert owner.post(f"{PATH}/{webhook.pk}/deliveries/{delivery.pk}/redeliver").status_code == 404
    assert stranger.get(f"{PATH}/{webhook.pk}/deliveries").status_code == 404


def test_nothing_is_redelivered_to_a_webhook_that_is_not_active(owner, webhook):
    delivery = WebhookDeliveryFactory(webhook=webhook, event="sample.paid")
    owner.patch(f"{PATH}/{webhook.pk}", {"isActive": False}, format="json")
    response = owner.post(f"{PATH}/{webhook.pk}/deliveries/{delivery.pk}/redeliver")

    assert response.status_code == 409
    delivery.refresh_from_db()
    assert delivery.status == Status.FAILED


def test_calls_of_other_servers_are_limited(owner, webhook, rates):
    rates(webhook=1)

    assert owner.post(f"{PATH}/{webhook.pk}/test").status_code == 202
    assert owner.post(f"{PATH}/{webhook.pk}/test").status_code == 429


@pytest.mark.parametrize(("status", "days"), [("500 Server Error", 5), ("410 Gone", 0)])
def test_days_of_failures_pause_a_webhook_and_its_owner_gets_an_email(owner, inside, deliver, status, days):
    with receiver(reply(status)) as service:
        webhook = WebhookFactory(user=owner.user, url=service.url)
        Webhook.objects.update(failing_since=timezone.now() - timedelta(days=days))
        WebhookDeliveryFactory.create_batch(2, webhook=webhook, event="webhook.test")
        deliver_due()
        (email,) = deliver()
        assert deliver_due() == 0

    webhook.refresh_from_db()
    assert (webhook.is_active, webhook.paused_at is None) == (False, False)
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {Status.FAILED}
    assert email.to == [owner.user.email]
    assert webhook.origin in email.body
    assert "/hooks" not in email.body
    assert AuditEvent.objects.filter(event="webhook.paused", target_id=webhook.pk).count() == 1
    shown = owner.patch(f"{PATH}/{webhook.pk}", {"isActive": True}, format="json").json()["data"]
    assert (shown["isActive"], shown["pausedAt"]) == (True, None)


@pytest.mark.parametrize(
    ("state", "change"),
    [("off", {"isActive": True}), ("on", {"url": "http://127.0.0.1:9/new"})],
    ids=["on_again", "other_url"],
)
def test_a_change_during_an_attempt_is_not_undone_by_a_pause(owner, inside, monkeypatch, state, change):
    ago = timezone.now() - timedelta(days=6)
    with receiver(reply("410 Gone")) as service:
        webhook = WebhookFactory(user=owner.user, url=service.url, is_active=state == "on", failing_since=ago)
        WebhookDeliveryFactory(webhook=webhook, event="webhook.test")
        attempt = delivering.attempt

        def attempt_and_change(*args):
            status = attempt(*args)
            assert owner.patch(f"{PATH}/{webhook.pk}", change).status_code == 200
            return status

        monkeypatch.setattr(delivering, "attempt", attempt_and_change)
        deliver_due()

    webhook.refresh_from_db()
    assert webhook.is_active


@pytest.mark.parametrize("state", ["suspended_at", "deleted_at"])
def test_nothing_is_sent_for_an_owner_who_may_not_use_the_api(owner, webhook, endpoint, state):
    delivery = WebhookDeliveryFactory(webhook=webhook)
    setattr(owner.user, state, timezone.now())
    owner.user.save()
    deliver_due()

    delivery.refresh_from_db()
    assert (delivery.status, endpoint.requests) == (Status.FAILED, [])


def test_a_secret_under_a_lost_key_fails_by_name(webhook, endpoint, settings):
    settings.SECRET_KEY = "another-" + "0a1b2c3d4e5f6g7h" * 4
    delivery = WebhookDeliveryFactory(webhook=webhook)
    deliver_due()

    delivery.refresh_from_db()
    assert "rotate it" in delivery.last_error
