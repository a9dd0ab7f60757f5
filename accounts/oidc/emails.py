"""Notices about linked identities."""

from typing import Any

from django.utils import timezone

from accounts.emails import act_link, notify
from accounts.models import User
from core.outbox import mail
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage


@outbox.handles("accounts.identity_linked")
@outbox.handles("accounts.identity_unlinked")
def send_identity_notice(message: OutboxMessage) -> None:
    notify(message, message.kind.removeprefix("accounts."), provider=message.payload["provider"])


def samples() -> dict[str, dict[str, Any]]:
    user = User(email="ann@example.com", name="Ann Example", email_verified_at=timezone.now())
    notice = {"user": user, "is_proven": True, "act_link": act_link(), "provider": "Google"}
    return {"identity_linked": notice, "identity_unlinked": notice}


mail.previews.append(samples)
