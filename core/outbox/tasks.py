"""The task of the outbox, and its purge."""

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from core.db.retention import purges_expired
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage

DONE_RETENTION = timedelta(days=7)
FAILED_RETENTION = timedelta(days=30)


@shared_task(name=outbox.TASK)
def drain_outbox() -> int:
    return outbox.drain()


@purges_expired("outbox")
def expired_messages() -> Any:
    now, status = timezone.now(), OutboxMessage.Status
    done = Q(status=status.DONE, finished_at__lt=now - DONE_RETENTION)
    failed = Q(status=status.FAILED, finished_at__lt=now - FAILED_RETENTION)
    return OutboxMessage.objects.filter(done | failed)
