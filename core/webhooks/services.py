"""Subscriptions: created, changed, paused, with their secrets; test events and redeliveries."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from core.audit import services as audit
from core.outbox.services import enqueue
from core.web import metrics
from core.web.errors import ApiError, FieldError
from core.web.http_client import AddressRefused, OutgoingError, UrlRefused
from core.web.http_client.addresses import Target, is_public, refuse_private
from core.web.resolver import resolver
from core.webhooks.events import TEST
from core.webhooks.models import Webhook, WebhookDelivery
from core.webhooks.publishing import delivery_of, wake_up
from core.webhooks.signing import set_secret

MAX_WEBHOOKS = 10  # of one user
PAUSED_AFTER = timedelta(days=5)  # of failures, without one success
LOOKUP_SECONDS = 2.0
INACTIVE = "the webhook was switched off"
PAUSED = "webhooks.paused"  # the notice to the owner, which the app of the accounts sends


class TooManyWebhooks(ApiError):
    code = "CONFLICT"


class NotRedelivered(ApiError):
    code = "CONFLICT"


# --- addresses ------------------------------------------------------------------------------------


def check_url(url: str) -> Target:
    """Return the parts of a URL that may be set. Raises FieldError. Nothing is looked up."""
    try:
        target = Target.of(url, any_port=settings.WEBHOOK_ALLOW_PRIVATE)
    except UrlRefused as error:
        raise FieldError("url", "invalid", str(error)) from error
    if target.scheme != "https" and not settings.WEBHOOK_ALLOW_PRIVATE:
        raise FieldError("url", "https_required", _("The URL must begin with https://."))
    return target


def check_address(url: str) -> None:
    """Refuse a URL whose host has an address that is not public. Raises FieldError.

    Call it outside any transaction: it looks the host up. A host that has no address now may have one later; each
    attempt looks it up anew, and connects to an address that it has checked.
    """
    target = check_url(url)
    if settings.WEBHOOK_ALLOW_PRIVATE:
        return
    try:
        refuse_private(target, resolver.addresses_of(target.host, LOOKUP_SECONDS), is_public)
    except AddressRefused as error:
        raise FieldError("url", "address_refused", str(error)) from error
    except (OSError, OutgoingError):
        return


# --- subscriptions --------------------------------------------------------------------------------


def create_webhook(*, user: Any, **values: Any) -> Webhook:
    """Create a webhook with a secret. Raises TooManyWebhooks."""
    with transaction.atomic():
        # The row of the user is locked, so that parallel requests cannot exceed the limit.
        type(user)._default_manager.select_for_update(no_key=True).get(pk=user.pk)
        if Webhook.objects.filter(user=user).count() >= MAX_WEBHOOKS:
            message = _("You have %(number)d webhooks, which is the most.") % {"number": MAX_WEBHOOKS}
            raise TooManyWebhooks(message=message)
        webhook = Webhook(user=user, **values)
        set_secret(webhook)
        webhook.save()
    return webhook


def change_webhook(*, webhook: Webhook, **values: Any) -> Webhook:
    """Store what differs. Switched on, it starts over without its failures; switched off, what waits is given up. The
    caller holds the row."""
    changed = [name for name, value in values.items() if getattr(webhook, name) != value]
    for name in changed:
        setattr(webhook, name, values[name])
    if not changed:
        return webhook
    with transaction.atomic():
        if "is_active" in changed and webhook.is_active:
            webhook.paused_at = webhook.failing_since = webhook.retry_at = None
            changed += ["paused_at", "failing_since", "retry_at"]
        webhook.save_changes(*changed)
        if not webhook.is_active:
            give_up(webhook)
    return webhook


def rotate_secret(*, webhook: Webhook, actor: Any) -> None:
    """Give it a new secret. The former one signs too for a day, the one before that no more. The caller holds the
    row."""
    with transaction.atomic():
        webhook.former_secret, webhook.rotated_at = webhook.secret, timezone.now()
        set_secret(webhook)
        webhook.save_changes("secret", "former_secret", "rotated_at")
        audit.record("webhook.secret_rotated", actor_id=actor.pk, target=webhook)


def switch_off(*, webhook: Webhook, actor: Any) -> bool:
    """Deactivate it, as staff. Return False if it is not active. The caller holds the row."""
    if not webhook.is_active:
        return False
    with transaction.atomic():
        change_webhook(webhook=webhook, is_active=False)
        changes: audit.Changes = {"isActive": [True, False]}
        audit.record("webhook.updated", actor_id=actor.pk, target=webhook, changes=changes)
    return True


def pause_webhook(*, webhook: Webhook, since: datetime) -> None:
    """Deactivate a webhook that has failed since then, and notify its owner."""
    with transaction.atomic():
        row = Webhook.objects.select_for_update(no_key=True).filter(pk=webhook.pk, is_active=True).first()
        if row is None:
            return
        row.is_active, row.paused_at = False, timezone.now()
        row.save_changes("is_active", "paused_at")
        give_up(row)
        owner: Any = webhook.user
        payload = {"user": str(owner.pk), "email": owner.email, "proven": owner.email_verified}
        enqueue(PAUSED, {**payload, "origin": row.origin, "since": since.isoformat()})
        audit.record("webhook.paused", target=row)
    metrics.webhooks_paused_total.inc()


def give_up(webhook: Webhook) -> None:
    """Fail the deliveries of the webhook that no worker has a lease on."""
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    WebhookDelivery.objects.filter(free, webhook=webhook, finished_at=None).update(
        status=WebhookDelivery.Status.FAILED, finished_at=timezone.now(), last_error=INACTIVE
    )


# --- deliveries -----------------------------------------------------------------------------------


def send_test(*, webhook: Webhook, actor: Any) -> WebhookDelivery:
    """Write a delivery of the event `webhook.test`, also for a webhook that is not active."""
    with transaction.atomic():
        delivery = delivery_of(webhook, None, None, TEST)
        delivery.save()
        delivery.refresh_from_db(fields=["due_at"])
        audit.record("webhook.tested", actor_id=actor.pk, target=webhook)
        transaction.on_commit(wake_up)
    return delivery


def redeliver(*, delivery: WebhookDelivery, actor: Any) -> None:
    """Deliver again, or now what waits for its next attempt. The caller holds the row of the delivery.

    Raises NotRedelivered if the webhook is not active. One that a worker has a lease on is left to it.
    """
    webhook = delivery.webhook
    if not webhook.is_active and delivery.event != TEST:
        raise NotRedelivered(message=_("The webhook is not active."))
    with transaction.atomic():
        if delivery.lease_until is None or delivery.lease_until < timezone.now():
            delivery.start_over()
            delivery.refresh_from_db(fields=["due_at"])
            audit.record("webhook.redelivered", actor_id=actor.pk, target=webhook)
            transaction.on_commit(wake_up)
