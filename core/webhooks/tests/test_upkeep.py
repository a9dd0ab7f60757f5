"""Purge, restore, erasure, the copy for staging, the export, the admin."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from core.audit.models import AuditEvent
from core.backups.settlement import settle
from core.db.anonymization import emptied
from core.db.retention import purge
from core.tests.factories import WebhookDeliveryFactory, WebhookFactory
from core.webhooks.models import Webhook, WebhookDelivery

pytestmark = pytest.mark.django_db
Status = WebhookDelivery.Status


def test_the_purge_deletes_old_deliveries_and_those_of_no_webhook():
    old, new = timezone.now() - timedelta(days=31), timezone.now() - timedelta(days=29)
    WebhookDeliveryFactory(status=Status.FAILED, finished_at=old)
    stays = WebhookDeliveryFactory(status=Status.FAILED, finished_at=new)
    orphan = WebhookDeliveryFactory(created_at=timezone.now() - timedelta(hours=2))
    WebhookDelivery.objects.filter(pk=orphan.pk).update(webhook="01a21cd1-d32f-74c4-bfd2-1dccc7aa1859")

    assert purge("webhook deliveries") == 2
    assert WebhookDelivery.objects.get() == stays


@pytest.mark.parametrize(("keeps", "status"), [(True, Status.PENDING), (False, Status.FAILED)])
def test_a_restore_drops_or_keeps_what_was_pending(keeps, status):
    leased = {"lease_until": timezone.now() + timedelta(minutes=1), "lease_id": WebhookFactory().pk}
    delivery = WebhookDeliveryFactory(**leased)
    settle("20261126T031500Z", keeps_mail=keeps)

    delivery.refresh_from_db()
    assert (delivery.status, delivery.lease_until) == (status, None)


def test_a_copy_for_staging_has_none():
    assert {Webhook, WebhookDelivery} <= set(emptied)


def test_an_erased_owner_takes_them_along(owner):
    delivery = WebhookDeliveryFactory(webhook__user=owner.user)
    owner.user.delete()

    assert not Webhook.objects.exists()
    assert not WebhookDelivery.objects.filter(pk=delivery.pk).exists()


def test_the_export_of_a_person_has_them_without_a_secret(owner):
    webhook = WebhookFactory(user=owner.user)
    WebhookDeliveryFactory(webhook=webhook)
    WebhookDeliveryFactory()
    response = owner.get("/api/v1/users/me/export")
    data = response.json()["data"]

    assert [row["url"] for row in data["webhooks"]] == [webhook.url]
    assert [row["webhookId"] for row in data["webhookDeliveries"]] == [str(webhook.pk)]
    assert "whsec_" not in response.content.decode()
    assert webhook.secret not in response.content.decode()


def test_staff_switch_a_webhook_off_and_see_neither_path_nor_secret(client):
    delivery = WebhookDeliveryFactory(webhook__url="https://hooks.example/p4th")
    webhook = delivery.webhook
    admin = WebhookFactory(user__role="admin").user
    client.force_login(admin)
    page = client.get(reverse("admin:core_webhooks_webhook_change", args=[webhook.pk]))
    response = client.post(reverse("admin:core_webhooks_webhook_do", args=[webhook.pk, "switch_off"]))

    assert page.status_code == 200
    assert "https://hooks.example" in page.content.decode()
    for hidden in ("p4th", webhook.secret, webhook.shown_secret):
        assert hidden not in page.content.decode()
    assert response.status_code == 302
    webhook.refresh_from_db()
    delivery.refresh_from_db()
    assert (webhook.is_active, delivery.status) == (False, Status.FAILED)
    event = AuditEvent.objects.get(event="webhook.updated", target_id=webhook.pk)
    assert event.actor_id == admin.pk
