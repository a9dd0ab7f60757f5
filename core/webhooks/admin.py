"""Webhooks and their deliveries in the admin, where staff switch a webhook off. Nothing shows a secret."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.admin.base import ReadOnlyAdmin
from core.admin.columns import short
from core.admin.row_actions import RowAction
from core.webhooks.models import Webhook, WebhookDelivery
from core.webhooks.services import switch_off


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    list_display = ("origin", "user", "is_active", "all_users", "failing_since", "paused_at", "created_at")
    list_filter = ("is_active", "all_users")
    list_select_related = ("user",)
    search_fields = ("user__email",)
    search_help_text = _("The id of a webhook or of its owner, or the owner's email address.")
    ordering = ("-id",)
    sortable_by = ()
    row_actions = (
        RowAction(
            name="switch_off",
            label=_("Switch off"),
            run=lambda webhook, actor: switch_off(webhook=webhook, actor=actor),
            done=_("Switched off"),
            consequence=_(
                "Nothing is sent until its owner switches it on again. Pending deliveries are given up."
            ),
            permissions=("core_webhooks.change_webhook",),
            applies=lambda webhook: webhook.is_active,
        ),
    )
    # The path of the URL may be a credential.
    fields = (
        *("id", "origin", "user", "events", "is_active", "all_users", "rotated_at"),
        *("failing_since", "retry_at", "paused_at", "version", "created_at", "updated_at"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("secret", "former_secret")

    def find_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return none for other texts than keys and addresses."""
        return (queryset.none() if search_term.strip() else queryset), False

    @admin.display(description="origin")
    def origin(self, webhook: Webhook) -> str:
        return webhook.origin


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("event", "status", "attempts", "response_status", "short_error", "created_at", "due_at")
    list_filter = ("status",)
    search_fields = ("event",)
    search_help_text = _("The id of a delivery, or of its request.")
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        *("id", "webhook", "event", "target_type", "target_id", "status", "attempts", "response_status"),
        *("last_error", "request_id", "created_at", "due_at", "lease_until", "expires_at", "finished_at"),
    )

    def find_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return none for other texts than keys."""
        return (queryset.none() if search_term.strip() else queryset), False

    @admin.display(description="last error")
    def short_error(self, delivery: WebhookDelivery) -> str:
        return short(delivery.last_error)
