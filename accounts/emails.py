"""The mails about accounts. Each function keeps one promise from the outbox, in the worker.

Secrets are made here, at the moment of sending, so that neither the database nor a queue ever holds one.
"""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.devices import device_name
from accounts.models import OneTimeToken, Session, User
from accounts.services import mailboxes
from accounts.services.passwords import issue_token
from core import audit, mail, outbox
from core.models import OutboxMessage

Purpose = OneTimeToken.Purpose


@outbox.handles("accounts.password_reset")
def send_password_reset(message: OutboxMessage) -> None:
    """To whoever has the address, if anybody has: the request did not look."""
    user = User.objects.with_email(message.payload["email"]).first()
    if user is None:
        return
    with transaction.atomic():
        if not mailboxes.reserve(user.email):
            return
        secret = issue_token(user, Purpose.PASSWORD_RESET, user.email, settings.PASSWORD_RESET_LIFETIME)
    context = {"user": user, "link": page_link("reset-password", secret)}
    send_link("password_reset", to=user.email, context=context, cause=message)
    audit.record("password.reset_link_sent", target=user)


@outbox.handles("accounts.email_proof")
def send_email_proof(message: OutboxMessage) -> None:
    """To an address that waits to be proven; one that no longer waits needs no mail."""
    user = living_user(message)
    address = message.payload["email"]
    if user is None or not (address == user.pending_email or address == unproven_email(user)):
        return
    with transaction.atomic():
        if not mailboxes.reserve(address):
            return
        secret = issue_token(user, Purpose.EMAIL_PROOF, address, settings.EMAIL_PROOF_LIFETIME)
    context = {"user": user, "link": page_link("verify-email", secret), "changing": address != user.email}
    send_link("email_proof", to=address, context=context, cause=message)


def unproven_email(user: User) -> str | None:
    return None if user.email_verified else user.email


def send_link(template: str, *, to: str, context: dict[str, Any], cause: OutboxMessage) -> None:
    try:
        mail.send(template, to=to, context=context, cause=cause)
    except Exception:
        mailboxes.release(to)
        raise


@outbox.handles("accounts.email_change_requested")
def send_email_change_notice(message: OutboxMessage) -> None:
    """To the old address, so that its owner can object."""
    user = living_user(message)
    if user is not None:
        context = {"user": user, "act_link": act_link(), "new_email": message.payload["new"]}
        mail.send("email_change_requested", to=message.payload["email"], context=context, cause=message)


@outbox.handles("accounts.password_changed")
def send_password_changed(message: OutboxMessage) -> None:
    user = living_user(message)
    if user is not None:
        context = {"user": user, "act_link": act_link()}
        mail.send("password_changed", to=user.email, context=context, cause=message)


@outbox.handles("accounts.session_closed")
def send_session_closed(message: OutboxMessage) -> None:
    user = living_user(message)
    if user is not None:
        context = {"user": user, "act_link": act_link()}
        mail.send("session_closed", to=user.email, context=context, cause=message)


@outbox.handles("accounts.new_device")
def send_new_device(message: OutboxMessage) -> None:
    """Where no earlier session has the same browser and system. Versions do not count."""
    user = living_user(message)
    session = Session.objects.filter(pk=message.payload["session"]).first()
    if user is None or session is None:
        return
    device = device_name(session.user_agent)
    earlier = Session.objects.filter(user=user, pk__lt=session.pk).order_by()
    if device not in map(device_name, earlier.values_list("user_agent", flat=True).distinct()):
        context = {"user": user, "act_link": act_link(), "session": session, "device": device}
        mail.send("new_device", to=user.email, context=context, cause=message)


def living_user(message: OutboxMessage) -> User | None:
    return User.objects.alive().filter(pk=message.payload["user"]).first()


def page_link(page: str, secret: str) -> str:
    """From the configured address, never from a request's Host (reset poisoning)."""
    return f"{settings.FRONTEND_URL}/account/{page}?{urlencode({'token': secret})}"


def act_link() -> str:
    """Where somebody who is warned can act: a new password ends every session."""
    return f"{settings.FRONTEND_URL}/account/forgot-password"


def samples() -> dict[str, dict[str, Any]]:
    """A context for each mail, for the developers' preview. Nothing of it is stored."""
    user = User(email="ann@example.com", name="Ann Example", email_verified_at=timezone.now())
    session = Session(user=user, ip_address="203.0.113.7")
    notice = {"user": user, "act_link": act_link()}
    return {
        "password_reset": {"user": user, "link": page_link("reset-password", "sample")},
        "email_proof": {"user": user, "link": page_link("verify-email", "sample"), "changing": False},
        "email_change_requested": {**notice, "new_email": "ann@new.example"},
        "password_changed": notice,
        "session_closed": notice,
        "new_device": {**notice, "session": session, "device": "Firefox on Linux"},
    }


mail.previews.append(samples)
