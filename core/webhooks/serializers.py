"""Webhooks and deliveries in the API."""

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from rest_framework import serializers

from core.api.serializers import ModelSerializer, StringField, VersionField
from core.web.errors import ApiError
from core.webhooks import services
from core.webhooks.events import known_events, patterns
from core.webhooks.models import MAX_URL, Webhook, WebhookDelivery

MAX_EVENTS = 50
MAX_EVENT = 60  # characters


class EventsField(serializers.ListField):
    """Names of events and patterns, each once."""

    child = StringField(min_length=1, max_length=MAX_EVENT)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{"min_length": 1, "max_length": MAX_EVENTS, **kwargs},
        )
        self.error_messages["unknown_event"] = "Unknown. There are: {known}."

    def to_internal_value(self, data: Any) -> list[str]:
        if isinstance(data, list) and len(data) > MAX_EVENTS:  # before the validation of each name
            self.fail("max_length", max_length=MAX_EVENTS)
        names: list[str] = list(dict.fromkeys(super().to_internal_value(data)))
        known = patterns(known_events())
        unknown = {index for index, name in enumerate(names) if name not in known}
        if unknown:
            message = self.error_messages["unknown_event"].format(known=", ".join(known))
            error = serializers.ErrorDetail(message, code="unknown_event")
            errors: dict[Any, Any] = {index: [error] for index in unknown}
            raise serializers.ValidationError(errors)
        return names


class WebhookSerializer(ModelSerializer):
    url = StringField(
        max_length=MAX_URL, help_text="Begins with https://; its host has public addresses only."
    )
    events = EventsField(
        help_text="Names, such as `resource.created`; `resource.*` is all of a noun, `*` all."
    )
    isActive = serializers.BooleanField(source="is_active", default=True)
    allUsers = serializers.BooleanField(
        source="all_users",
        default=False,
        help_text="For admins: events of the rows of all users, as long as the owner is an admin.",
    )
    version = VersionField()
    examples: ClassVar = {
        "url": "https://example.com/hooks",
        "events": ["*"],
        "allUsers": False,
        "pausedAt": None,
    }

    class Meta:
        model = Webhook
        fields: Any = (
            *("id", "url", "events", "isActive", "allUsers", "pausedAt"),
            *("version", "createdAt", "updatedAt"),
        )
        read_only_fields = ("id", "pausedAt", "createdAt", "updatedAt")

    def validate_url(self, value: str) -> str:
        services.check_url(value)
        return value

    def validate_allUsers(self, value: bool) -> bool:
        if value and not self.context["request"].user.is_superuser:
            raise ApiError("FORBIDDEN", message=_("Only admins can subscribe to the rows of all users."))
        return value

    def create(self, validated_data: dict[str, Any]) -> Webhook:
        return services.create_webhook(**validated_data)

    def update(self, instance: Webhook, validated_data: dict[str, Any]) -> Webhook:
        return services.change_webhook(webhook=instance, **validated_data)


class WebhookWithSecretSerializer(WebhookSerializer):
    """The response that makes a secret, the only one that shows it."""

    secret = serializers.CharField(source="shown_secret", read_only=True)
    examples: ClassVar = {
        **WebhookSerializer.examples,
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
    }

    class Meta(WebhookSerializer.Meta):
        fields: Any = (*WebhookSerializer.Meta.fields[:1], "secret", *WebhookSerializer.Meta.fields[1:])


class DeliverySerializer(ModelSerializer):
    """A delivery, with the outcome of its latest attempt."""

    responseStatus = serializers.IntegerField(
        source="response_status",
        read_only=True,
        allow_null=True,
        help_text="Of the latest attempt; null without a response.",
    )
    nextAttemptAt = serializers.DateTimeField(source="next_attempt_at", read_only=True, allow_null=True)
    examples: ClassVar = {
        "event": "resource.created",
        "status": "succeeded",
        "attempts": 1,
        "responseStatus": 204,
        "nextAttemptAt": None,
    }

    class Meta:
        model = WebhookDelivery
        fields = ("id", "event", "status", "attempts", "responseStatus", "createdAt", "nextAttemptAt")
        read_only_fields = fields
