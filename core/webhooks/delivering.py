"""Deliveries: claimed under a lease, sent, and tried again for three days.

Of each webhook one delivery is on its way at a time, and after a failure its others wait too. So a slow or failing
endpoint takes one of the threads, and delays no other webhook. The order of events is not guaranteed.
"""

import random
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.db.models import Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from core.db.leases import BUDGET_SECONDS, Lease, LeaseLost, caused_by, work_on
from core.web import metrics
from core.web.encryption import UnknownKey
from core.web.http_client import HttpClient, Limits, OutgoingError, UrlRefused
from core.web.text import error_text
from core.webhooks import services
from core.webhooks.events import TEST
from core.webhooks.models import Webhook, WebhookDelivery
from core.webhooks.publishing import wake_up
from core.webhooks.rendering import Unreadable, body_of
from core.webhooks.signing import signed_headers

LEASE = timedelta(seconds=30)
MAX_THREADS = 20  # twice as many as one user has webhooks
POLL_SECONDS = 1.0  # in which threads that have ended begin anew
SECONDS = 10.0  # of an attempt
# No body is read: it may be large, and the status is enough.
LIMITS = Limits(connect=5, read=SECONDS, total=SECONDS, size=0)
DELAYS = tuple(
    timedelta(seconds=seconds) for seconds in (5, 60, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 12 * 3600)
)
FIRST_WAIT, MAX_WAIT = timedelta(seconds=5), timedelta(minutes=10)  # of a webhook after a failure
GONE = 410  # by which an endpoint ends its subscription (Standard Webhooks)

log = structlog.get_logger(__name__)


class Refused(Exception):
    """The delivery is not sent, and not tried again."""


@cache
def client_for(allow_private: bool) -> HttpClient:
    """Return the client. It has no circuit breaker: many webhooks of different users may share an origin."""
    return HttpClient("webhooks", allow_private=allow_private, limits=LIMITS, failures=2**31)


def deliver_due() -> int:
    """Deliver what is due, several at once. Return the number of attempts.

    One run is at work at a time, so that it takes one process of a worker, and leaves the others to emails and jobs.
    """
    if connection.in_atomic_block:  # no other connection sees what the caller has not committed
        return work_on(claim, deliver, wake_up=wake_up)
    if WebhookDelivery.objects.filter(finished_at=None, lease_until__gte=Now()).exists():
        return 0
    number, deadline = 0, time.monotonic() + BUDGET_SECONDS
    running: set[Future[int]] = set()
    with ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="webhooks") as threads:
        while True:
            if time.monotonic() < deadline:
                due = WebhookDelivery.objects.due().values_list("pk")[: MAX_THREADS - len(running)]
                running |= {threads.submit(deliver_in_thread, deadline) for _ in range(len(due))}
            if not running:
                return number
            done, running = wait(running, POLL_SECONDS, FIRST_COMPLETED)
            number += sum(future.result() for future in done)


def deliver_in_thread(deadline: float) -> int:
    try:
        return work_on(claim, deliver, wake_up=wake_up, seconds=deadline - time.monotonic())
    finally:
        connections.close_all()


def claim() -> WebhookDelivery | None:
    delivery: WebhookDelivery | None = WebhookDelivery.objects.claim(LEASE)
    return delivery


def deliver(delivery: WebhookDelivery) -> None:
    """Make an attempt, and write its outcome. Raises LeaseLost."""
    webhook = Webhook.objects.select_related("user").filter(pk=delivery.webhook_id).first()
    if webhook is None:  # deleted meanwhile: the purge deletes the delivery
        return
    names = {"webhookId": str(webhook.pk), "deliveryId": str(delivery.pk)}
    with caused_by(delivery, user_id=str(webhook.user_id), **names), Lease(delivery, LEASE) as lease:
        try:
            status = attempt(webhook, delivery, lease)
        except Refused as refusal:
            finish(lease, WebhookDelivery.Status.FAILED, error=str(refusal))
        except OutgoingError as error:
            fail(lease, webhook, None, f"{error.outcome}: {error}")
        except (LeaseLost, DatabaseError):
            raise
        except Exception as error:  # of a serializer, for example: not the fault of the endpoint
            log.exception("webhook_not_rendered", kind=delivery.event)
            try_again(lease, None, error_text(error))
        else:
            if 200 <= status < 300:
                succeed(lease, webhook, status)
            else:
                fail(lease, webhook, status, f"status {status}")


def attempt(webhook: Webhook, delivery: WebhookDelivery, lease: Lease) -> int:
    """Send the delivery, and return the status of the response. Raises Refused and OutgoingError."""
    owner, now = webhook.user, timezone.now()
    if not owner.may_use_api:
        raise Refused("the owner of the webhook may not use the API")
    if not webhook.is_active and delivery.event != TEST:
        raise Refused("the webhook is not active")
    try:
        body = body_of(delivery, owner)
        headers = signed_headers(webhook, str(delivery.pk), body, now)
    except Unreadable as error:
        raise Refused(str(error)) from error
    except UnknownKey as error:
        raise Refused("the secret cannot be decrypted any more: rotate it") from error
    if not settings.WEBHOOK_ALLOW_PRIVATE and not webhook.url.startswith("https://"):
        raise UrlRefused("The URL must begin with https://.")
    lease.check()
    client = client_for(settings.WEBHOOK_ALLOW_PRIVATE)
    return client.request("POST", webhook.url, headers=headers, body=body).status


def succeed(lease: Lease, webhook: Webhook, status: int) -> None:
    finish(lease, WebhookDelivery.Status.SUCCEEDED, response_status=status)
    if webhook.failing_since or webhook.retry_at:
        Webhook.objects.filter(pk=webhook.pk).update(failing_since=None, retry_at=None)


def finish(
    lease: Lease, status: WebhookDelivery.Status, *, error: str = "", response_status: int | None = None
) -> None:
    now = timezone.now()
    lease.settle(
        status=status, finished_at=now, lease_until=None, last_error=error, response_status=response_status
    )
    report(lease.row, status.value, response_status, error)


def fail(lease: Lease, webhook: Webhook, status: int | None, error: str) -> None:
    """Schedule another attempt. The other deliveries of the webhook wait for a while, and after days of failures it is
    paused."""
    now = timezone.now()
    since = webhook.failing_since or now
    retry_at = now + min(max((now - since) / 10, FIRST_WAIT), MAX_WAIT)
    try_again(lease, status, error, not_before=retry_at)
    Webhook.objects.filter(pk=webhook.pk).update(
        failing_since=Coalesce("failing_since", now), retry_at=retry_at
    )
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    waiting = WebhookDelivery.objects.filter(free, webhook=webhook, finished_at=None, due_at__lt=retry_at)
    waiting.exclude(event=TEST).update(due_at=retry_at)
    if status == GONE or now - since >= services.PAUSED_AFTER:
        services.pause_webhook(webhook=webhook, since=since)


def try_again(lease: Lease, status: int | None, error: str, *, not_before: datetime | None = None) -> None:
    """Schedule another attempt, or after the last one give the delivery up."""
    delivery, now = lease.row, timezone.now()
    if now >= delivery.expires_at:
        finish(lease, WebhookDelivery.Status.FAILED, error=error, response_status=status)
        return
    due_at = max(now + retry_delay(delivery.attempts), not_before or now)
    lease.settle(
        lease_until=None,
        lease_id=None,
        due_at=min(due_at, delivery.expires_at),
        last_error=error,
        response_status=status,
    )
    report(delivery, "retried", status, error)


def retry_delay(attempts: int) -> timedelta:
    """Return a delay with jitter of ±20 %, so that the retries of many deliveries are spread."""
    delay = DELAYS[min(attempts, len(DELAYS)) - 1]
    return delay * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing


def report(delivery: WebhookDelivery, outcome: str, status: int | None, error: str) -> None:
    metrics.webhooks_total.labels(outcome).inc()
    values: dict[str, Any] = {"kind": delivery.event, "outcome": outcome, "status": status}
    log.info("webhook_delivery", **values, attempt=delivery.attempts, error=error or None)
