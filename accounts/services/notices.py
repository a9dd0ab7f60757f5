"""Notices: the emails that say what has happened to an account."""

from datetime import timedelta
from typing import Any

from accounts.models import User
from core.outbox import services as outbox


def promise_notice(kind: str, user: User, *, expires_in: timedelta | None = None, **values: Any) -> None:
    """Enqueue a notice to the address that the account has now.

    A notice that is sent late, after a change of address, must not go to the new one: a thief may have set it.
    """
    payload = {"user": str(user.pk), "email": user.email, "proven": user.email_verified, **values}
    outbox.enqueue(kind, payload, expires_in=expires_in)
