"""The notice about a new API key, which a thief may have made."""

from typing import Any

from django.utils import timezone

from accounts.api_keys.services import CREATED_NOTICE
from accounts.emails import act_link, notify
from accounts.models import User
from core.outbox import mail
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage

TEMPLATE = "api_key_created"


@outbox.handles(CREATED_NOTICE)
def send_notice(message: OutboxMessage) -> None:
    notify(message, TEMPLATE, key_name=message.payload["name"])


def samples() -> dict[str, dict[str, Any]]:
    """Return an unsaved context for the developers' preview."""
    user = User(email="ann@example.com", name="Ann Example", email_verified_at=timezone.now())
    return {TEMPLATE: {"user": user, "is_proven": True, "act_link": act_link(), "key_name": "Nightly export"}}


mail.previews.append(samples)
