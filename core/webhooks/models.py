"""Subscriptions, and their deliveries with the outcome of the latest attempt."""

from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from core.db.access import Access, AccessQuerySet
from core.db.base import BaseModel, BaseQuerySet
from core.db.encrypted_fields import EncryptedTextField
from core.db.leases import LeasedModel, LeasedRows

MAX_URL = 2048  # characters, as in core/web/http_client/addresses.py
DELIVERED_FOR = timedelta(days=3)  # after which an attempt that fails is the last one


def expiry() -> Any:
    return timezone.now() + DELIVERED_FOR


class Webhook(BaseModel):
    """A subscription: the URL to which the events of its owner's rows are sent."""

    # Admins read only their own here: staff have the admin site.
    access = Access(owner="user", read_all=(), write_all=())
    moves_owner_version = False  # each failing attempt writes its row
    emits_events = False  # a webhook of webhooks would have no end

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=MAX_URL)
    events = models.JSONField(default=list, help_text="Names, or patterns such as resource.*")
    is_active = models.BooleanField(default=True)
    all_users = models.BooleanField(
        default=False, help_text="Events of the rows of every user, while its owner is an admin"
    )
    secret = EncryptedTextField()
    former_secret = EncryptedTextField(blank=True, default="", help_text="The one before a rotation")
    rotated_at = models.DateTimeField(null=True, blank=True)
    # Written without a new version of the row.
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="Of all attempts since its last success"
    )
    retry_at = models.DateTimeField(null=True, blank=True, help_text="Before it no delivery is tried")
    paused_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was switched off for its failures"
    )

    shown_secret: str | None = None  # in the response that makes it

    objects: ClassVar = BaseQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at", "-id"], name="webhook_newest"),
            models.Index(fields=["user"], condition=Q(is_active=True), name="webhook_active_by_user"),
            models.Index(
                fields=["all_users"],
                condition=Q(is_active=True, all_users=True),
                name="webhook_active_of_all_users",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(secret=""), name="webhook_has_a_secret"),
            models.CheckConstraint(
                condition=Q(paused_at=None) | Q(is_active=False), name="webhook_is_not_active_while_paused"
            ),
        ]

    def __str__(self) -> str:
        return self.origin

    @property
    def origin(self) -> str:
        """The URL without what may be a credential: many have one in their path."""
        return origin_of(self.url)


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class DeliveryQuerySet(LeasedRows, AccessQuerySet):
    """Deliveries that workers claim: one at a time of each webhook."""

    # With its webhook, so that of two workers which claim at the same time the second one sees the lease of the first.
    claim_lock: ClassVar = {"of": ("self", "webhook"), "no_key": True}

    def due(self) -> Any:
        in_flight = WebhookDelivery.objects.filter(
            webhook=OuterRef("webhook"), finished_at=None, lease_until__gte=Now()
        )
        return super().due().exclude(Exists(in_flight)).select_related("webhook")


class WebhookDelivery(LeasedModel):
    """An event on its way to one webhook. It has no content: each attempt reads what the API shows then."""

    class Status(models.TextChoices):
        PENDING = "pending"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    access = Access(parent="webhook", read_all=(), write_all=())

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False, help_text="The header webhook-id")
    # Without a constraint: the deletion of a webhook must not fail a write that has just looked for subscribers.
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="deliveries", db_constraint=False
    )
    event = models.CharField(max_length=60)
    target_type = models.CharField(max_length=120, blank=True, default="")
    target_id = models.UUIDField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    response_status = models.PositiveSmallIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(
        default=expiry, help_text="After it an attempt that fails is the last one"
    )

    objects: ClassVar = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "webhook deliveries"
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(finished_at=None), name="webhook_delivery_by_due"),
            models.Index(
                fields=["webhook", "lease_until"],
                condition=Q(finished_at=None),
                name="webhook_delivery_in_flight",
            ),
            models.Index(fields=["webhook", "-id"], name="webhook_delivery_newest"),
            models.Index(fields=["finished_at"], name="webhook_delivery_by_finished"),
            models.Index(
                fields=["status", "-id"],
                condition=Q(status__in=("pending", "failed")),
                name="webhook_delivery_not_done",
            ),
            models.Index(fields=["request_id"], name="webhook_delivery_by_request"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status="pending") ^ Q(finished_at__isnull=False),
                name="webhook_delivery_is_finished_unless_pending",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "succeeded", "failed"]),
                name="webhook_delivery_status_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} ({self.status})"

    @property
    def kind(self) -> str:
        """The name in the log lines of the lease."""
        return self.event

    @property
    def next_attempt_at(self) -> Any:
        return self.due_at if self.finished_at is None else None

    def start_over(self) -> None:
        """Make the delivery due now, with a fresh set of attempts. The caller holds the row; no worker does."""
        self.status, self.expires_at, self.last_error = self.Status.PENDING, expiry(), ""
        self.save(update_fields=[*self.reset(), "status", "expires_at", "last_error"])
