"""Notices: the emails about an event of an account."""

from datetime import timedelta
from typing import Any

from accounts.models import User
from core.outbox import services as outbox


def enqueue_notice(kind: str, user: User, *, expires_in: timedelta | None = None, **values: Any) -> None:
    """Enqueue a notice to the current address of the account.

    A notice that is sent after a change of address must not go to the new one, which may be a thief's.
    """
    payload = {"user": str(user.pk), "email": user.email, "proven": user.email_verified, **values}
    outbox.enqueue(kind, payload, expires_in=expires_in)
