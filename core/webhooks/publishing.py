"""From audit events to deliveries, in the transaction of the change: a write that is rolled back sends nothing.

A write of a row costs one query by an index while nobody has subscribed.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from core.audit.models import AuditEvent
from core.audit.services import Recorded
from core.db.access import Access
from core.db.statements import applies, compiled, placeholder_for, statement_cache, store
from core.outbox.dispatcher import dispatcher
from core.web import request_context as context
from core.web import traces
from core.webhooks.events import emits, known_events, matches
from core.webhooks.models import Webhook, WebhookDelivery

TASK = "core.deliver_webhooks"
wake_up = dispatcher.register(TASK)

Happened = list[tuple[AuditEvent, Any]]


def follow(recorded: Recorded) -> None:
    """Write a delivery of each event for each webhook that has subscribed to it."""
    happened: Happened = [
        (event, target) for event, target in recorded if target is not None and emits(type(target))
    ]
    if not happened:
        return
    owners = {event.subject_id for event, _target in happened}
    keys = subscribed_once(*owners) if len(owners) == 1 else subscribed(owners)
    if keys:
        publish(keys, happened)


def subscribed(owners: Iterable[UUID | None]) -> list[UUID]:
    """Return the keys of the active webhooks of these owners, and of those for the rows of all users."""
    return list(subscriptions(owners).values_list("pk", flat=True))


def subscriptions(owners: Iterable[UUID | None]) -> Any:
    known = [owner for owner in owners if owner is not None]
    of_owners = Q(user__in=known) if len(known) > 1 else Q(user=known[0]) if known else Q(pk__in=[])
    return Webhook.objects.filter(of_owners | Q(all_users=True), is_active=True).order_by()


def subscribed_once(owner: UUID | None) -> list[UUID]:
    """Return what `subscribed` does for one owner, by a statement that is compiled once."""
    if not applies():
        return subscribed([owner])
    signature = ("webhooks of", owner is None)
    statement = statement_cache.get(signature)
    if statement is None:
        placeholder = owner and placeholder_for(owner)
        rows = subscriptions([placeholder]).values_list("pk")
        statement = store(signature, compiled(rows, {"owner": placeholder} if placeholder else {}))
    return [key for (key,) in statement.run({"owner": owner})]


def publish(keys: list[UUID], happened: Happened) -> None:
    """Write the deliveries of these webhooks, for their owners who may use the API and read the row."""
    known = set(known_events())
    happened = [(event, target) for event, target in happened if event.event in known]
    deliveries = []
    for webhook in Webhook.objects.filter(pk__in=keys).select_related("user"):
        if not happened or not webhook.user.may_use_api:
            continue
        chosen = [
            (event, target)
            for event, target in happened
            if matches(event.event, webhook.events) and concerns(webhook, event)
        ]
        visible = readable(webhook.user, chosen)
        deliveries += [
            delivery_of(webhook, event, target)
            for event, target in chosen
            if target.pk in visible[type(target)]
        ]
    if deliveries:
        WebhookDelivery.objects.bulk_create(deliveries)
        transaction.on_commit(wake_up)


def concerns(webhook: Webhook, event: AuditEvent) -> bool:
    """Return whether the row is the owner's; for an admin it may be any user's, by `all_users`."""
    is_own = event.subject_id == webhook.user_id
    return is_own or (webhook.all_users and webhook.user.is_superuser)


def readable(user: Any, chosen: Happened) -> dict[Any, set[UUID]]:
    """Return {model: keys} of the rows that the user may read. A row that was deleted for good is the user's, or in
    the reach of the user's role."""
    keys: dict[Any, set[UUID]] = defaultdict(set)
    own: dict[Any, set[UUID]] = defaultdict(set)
    for event, target in chosen:
        keys[type(target)].add(target.pk)
        if event.subject_id == user.pk:
            own[type(target)].add(target.pk)
    result: dict[Any, set[UUID]] = {}
    for model, all_keys in keys.items():
        rows = model._base_manager.filter(pk__in=all_keys).order_by()
        gone = all_keys - set(rows.values_list("pk", flat=True))
        visible = model._default_manager.all().visible_to(user).filter(pk__in=all_keys).order_by()
        reached = gone if reaches_all(model, user) else gone & own[model]
        result[model] = set(visible.values_list("pk", flat=True)) | reached
    return result


def reaches_all(model: Any, user: Any) -> bool:
    access: Access | None = getattr(model, "access", None)
    return access is not None and access.reach(model, user)[0]


def delivery_of(webhook: Webhook, event: AuditEvent | None, target: Any, name: str = "") -> WebhookDelivery:
    """Return an unsaved delivery. It is due at once, unless the webhook waits after a failure."""
    delivery = WebhookDelivery(
        webhook=webhook,
        event=event.event if event else name,
        target_type=event.target_type if event else "",
        target_id=target.pk if target is not None else None,
        request_id=context.current.get().request_id,
        trace_parent=traces.trace_parent(),
    )
    if event is not None:  # a test waits for nothing
        delivery.created_at = event.created_at
        if webhook.retry_at and webhook.retry_at > event.created_at:
            delivery.due_at = webhook.retry_at
    return delivery
