"""The caller's webhooks, and the log of their deliveries."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.response import Response

from core.api.viewsets import BaseViewSet
from core.audit import services as audit
from core.db.counters import check
from core.web.errors import ApiError
from core.webhooks import services
from core.webhooks.models import Webhook, WebhookDelivery, origin_of
from core.webhooks.serializers import DeliverySerializer, WebhookSerializer, WebhookWithSecretSerializer

WRITING = frozenset({"create", "update", "partial_update"})
SHOWING_SECRETS = frozenset({"create", "rotate_secret"})


class WebhookViewSet(BaseViewSet):
    """The caller's webhooks: each sends events of the caller's rows to a URL, signed as Standard Webhooks has it. An
    admin's may send those of all users, by `allUsers`."""

    # A webhook would send rows that the key may not read, and go on when the key is revoked.
    key_scope = None
    queryset = Webhook.objects.all()
    serializer_class = WebhookSerializer
    sort_fields: ClassVar = {"createdAt": "created_at"}
    documented_errors: ClassVar = {
        "create": ("FORBIDDEN", "CONFLICT"),
        "update": ("FORBIDDEN",),
        "partial_update": ("FORBIDDEN",),
    }

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Check the address of a URL that is set, before a transaction is open: the lookup may take its time."""
        super().initial(request, *args, **kwargs)
        if self.action in WRITING and isinstance(request.data, Mapping):
            url = request.data.get("url")
            if isinstance(url, str) and url.strip():
                services.check_address(url.strip())

    def get_serializer_class(self) -> Any:
        return WebhookWithSecretSerializer if self.action in SHOWING_SECRETS else WebhookSerializer

    def perform_destroy(self, instance: Webhook) -> None:
        instance.delete()

    def record(self, verb: str, instance: Any, changes: audit.Changes | None = None) -> None:
        """Record the event, of a URL its origin only: the path may be a credential."""
        if changes and "url" in changes:
            changes = {**changes, "url": [origin_of(url) for url in changes["url"]]}
        super().record(verb, instance, changes)

    @extend_schema(request=None, responses={200: WebhookWithSecretSerializer})
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Make a new secret. For 24 hours each delivery is signed with the former one too."""
        with transaction.atomic():
            webhook = self.locked_object()
            services.rotate_secret(webhook=webhook, actor=request.user)
        return self.respond(webhook)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"], url_path="test")
    def test(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Send the event `webhook.test`, also while the webhook is not active."""
        webhook = self.get_object()
        count_call(request)
        delivery = services.send_test(webhook=webhook, actor=request.user)
        return Response(DeliverySerializer(delivery).data, status=202)


class WebhookDeliveryViewSet(BaseViewSet):
    """The log of a webhook: the deliveries of the last days, each with the outcome of its latest attempt."""

    key_scope = None
    queryset = WebhookDelivery.objects.all()
    serializer_class = DeliverySerializer
    exposed: ClassVar = frozenset({"list"})
    filterset_fields: ClassVar = {"status": ["exact"], "event": ["exact"]}
    sort_fields: ClassVar = {"createdAt": "created_at"}
    documented_errors: ClassVar = {"redeliver": ("CONFLICT",)}

    def get_queryset(self) -> QuerySet[Any]:
        """Return the deliveries of the webhook in the path. Raises Http404 if it is not the caller's."""
        webhooks = Webhook.objects.visible_to(self.request.user)
        webhook = get_object_or_404(webhooks, pk=self.kwargs["webhook_id"])
        return super().get_queryset().filter(webhook=webhook)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"], url_path="redeliver")
    def redeliver(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Deliver again, or now what waits for its next attempt, with the same `webhook-id`."""
        self.get_object()
        count_call(request)
        with transaction.atomic():
            delivery = self.locked_object()
            services.redeliver(delivery=delivery, actor=request.user)
        return Response(DeliverySerializer(delivery).data, status=202)


def count_call(request: Any) -> None:
    """Count a request that calls another server at once. Raises ApiError beyond the limit."""
    decision = check("webhook", str(request.user.pk))
    request.META["api.rate_limit"] = decision  # for the headers
    if not decision.allowed:
        raise ApiError("RATE_LIMITED", retry_after=decision.reset)
