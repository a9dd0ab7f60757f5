"""The task of the deliveries, and their purge."""

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.utils import timezone

from core.db.retention import purges_expired
from core.webhooks.delivering import deliver_due
from core.webhooks.models import Webhook, WebhookDelivery
from core.webhooks.publishing import TASK

RETENTION = timedelta(days=30)  # of the log, after the end of a delivery
ORPHANED_AFTER = timedelta(hours=1)


@shared_task(name=TASK)
def deliver_webhooks() -> int:
    return deliver_due()


@purges_expired("webhook deliveries")
def expired_deliveries() -> list[Any]:
    """Return the old deliveries, and those of a webhook that was deleted while they were written."""
    now = timezone.now()
    orphaned = WebhookDelivery.objects.exclude(webhook__in=Webhook.objects.values("pk"))
    return [
        WebhookDelivery.objects.filter(finished_at__lt=now - RETENTION),
        orphaned.filter(created_at__lt=now - ORPHANED_AFTER),
    ]
