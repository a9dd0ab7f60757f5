"""Emails about accounts. The worker calls a handler for each message of the outbox.

Secrets are created here, when the email is sent, so that neither the database nor a queue contains one. The handler
locks the user and then reads the message again, because code that voids links deletes messages under the same lock.
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.devices import device_name
from accounts.models import OneTimeToken, Session, User, UserQuerySet
from accounts.services import mailboxes, undeletion
from accounts.services.email_changes import was_undone_since
from accounts.services.mailboxes import Kind
from accounts.services.passwords import issue_token
from core.audit import services as audit
from core.outbox import mail
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage
from core.webhooks import services as webhooks

Purpose = OneTimeToken.Purpose


# --- links that anybody can request -----------------------------------------------------------------


@outbox.handles("accounts.password_reset")
def send_password_reset(message: OutboxMessage) -> None:
    """Send a reset link if an active account has the address. The request made no query for it."""
    with transaction.atomic():
        user = User.objects.active().with_email(message.payload["email"]).select_for_update().first()
        if user is None or not may_send_link(message, user.email):
            return
        secret = issue_token(user, Purpose.PASSWORD_RESET, user.email, settings.PASSWORD_RESET_LIFETIME)
    context = {"user": user, "link": page_link("reset-password", secret)}
    send_counted(Kind.LINK, "password_reset", to=user.email, context=context, cause=message)
    audit.record("password.reset_link_sent", target=user)


@outbox.handles("accounts.invitation")
def send_invitation(message: OutboxMessage) -> None:
    """Send a link to set the first password, instead of the link before. Send none if the account has a password."""
    address = message.payload["email"]
    with transaction.atomic():
        user = users_of(message).active().select_for_update().first()
        if user is None or user.has_usable_password() or user.email != address:
            return
        if not may_send_link(message, address):
            return
        user.one_time_tokens.filter(purpose=Purpose.INVITATION, used_at=None).delete()
        secret = issue_token(user, Purpose.INVITATION, address, settings.INVITATION_LIFETIME)
    context = {"user": user, "link": page_link("reset-password", secret)}
    send_counted(Kind.LINK, "invitation", to=address, context=context, cause=message)


@outbox.handles("accounts.email_proof")
def send_email_verification(message: OutboxMessage) -> None:
    """Send a link to an address that is still unverified or pending.

    Send none to a pending address that another account has by now. It cannot be verified, and must not use up the
    limit of links to the other account.
    """
    address = message.payload["email"]
    with transaction.atomic():
        user = users_of(message).active().select_for_update().first()
        if user is None or (user.email_verified if address == user.email else address != user.pending_email):
            return
        if User.objects.with_email(address).exclude(pk=user.pk).exists():
            return
        if not may_send_link(message, address, limit=mailboxes.MAX_VERIFICATIONS_PER_HOUR):
            return
        secret = issue_token(user, Purpose.EMAIL_PROOF, address, settings.EMAIL_PROOF_LIFETIME)
    context = {"user": user, "link": page_link("verify-email", secret), "changing": address != user.email}
    send_counted(Kind.LINK, "email_proof", to=address, context=context, cause=message)


def may_send_link(message: OutboxMessage, address: str, *, limit: int = mailboxes.MAX_PER_HOUR) -> bool:
    """Return whether the message still exists and the limit allows a link. The caller holds the row of the user."""
    return is_queued(message) and mailboxes.reserve(address, Kind.LINK, limit=limit)


def is_queued(message: OutboxMessage) -> bool:
    return OutboxMessage.objects.filter(pk=message.pk, lease_id=message.lease_id).exists()


def send_counted(
    kind: Kind, template: str, *, to: str, context: dict[str, Any], cause: OutboxMessage
) -> None:
    """Send an email for which `mailboxes.reserve` returned True."""
    try:
        mail.send(template, to=to, context=context, cause=cause)
    except Exception:
        mailboxes.release(to, kind)
        raise


# --- notices, to the address that the account had at the event ----------------------------------------


@outbox.handles("accounts.email_change_requested")
def send_email_change_notice(message: OutboxMessage) -> None:
    """Notify the old address, so that its owner can cancel the change."""
    notify(message, "email_change_requested", new_email=message.payload["new"])


@outbox.handles("accounts.email_changed")
def send_email_changed(message: OutboxMessage) -> None:
    """Notify the former address, with a link to undo the change if the message allows it.

    Notify it of a deleted account too. Else a thief could prevent the email by a deletion, and undo that later.
    """
    link = None
    with transaction.atomic():
        user = User.objects.filter(pk=message.payload["user"]).select_for_update().first()
        if user is None or not is_queued(message) or was_undone_since(user, message.created_at):
            return
        if message.payload["undo"]:
            secret = issue_token(
                user,
                Purpose.EMAIL_UNDO,
                message.payload["email"],
                settings.EMAIL_UNDO_LIFETIME,
                created_at=message.created_at,
            )
            link = page_link("undo-email-change", secret)
    notify_user(
        user,
        message,
        "email_changed",
        new_email=message.payload["new"],
        link=link,
        is_change_back=message.payload["back"],
    )


@outbox.handles("accounts.email_change_undone")
@outbox.handles("accounts.password_changed")
@outbox.handles("accounts.session_closed")
def send_notice(message: OutboxMessage) -> None:
    notify(message, message.kind.removeprefix("accounts."))


@outbox.handles("accounts.new_device")
def send_new_device(message: OutboxMessage) -> None:
    """Notify the user unless an earlier session has the same browser and system, of any version.

    The User-Agent is that of the message, because a refresh of the session may have changed its row since.
    """
    device = device_name(message.payload["user_agent"])
    earlier = Session.objects.filter(
        user=message.payload["user"], pk__lt=message.payload["session"]
    ).order_by()
    if device in map(device_name, earlier.values_list("user_agent", flat=True).distinct()):
        return
    session = Session.objects.filter(pk=message.payload["session"]).first()
    with transaction.atomic():
        user = users_of(message).active().select_for_update().first()
        if user is None or session is None or not is_queued(message):
            return
        address = message.payload["email"]
        secret = issue_token(user, Purpose.NOT_ME, address, settings.NOT_ME_LIFETIME, session=session)
    at, ip_address = message.created_at, message.payload["ip_address"]
    link = page_link("not-me", secret)
    notify_user(user, message, "new_device", at=at, ip_address=ip_address, device=device, link=link)


@outbox.handles(webhooks.PAUSED)
def send_webhook_paused(message: OutboxMessage) -> None:
    """Notify the owner of a webhook that nothing is sent to it any more."""
    since = datetime.fromisoformat(message.payload["since"])
    notify(message, "webhook_paused", origin=message.payload["origin"], since=since)


@outbox.handles(undeletion.KIND)
def send_account_deleted(message: OutboxMessage) -> None:
    """Confirm a deletion to its user, with a link to undo it until the data is erased."""
    address = message.payload["email"]
    with transaction.atomic():
        rows = User.objects.trashed().filter(pk=message.payload["user"], email=address)
        user = rows.select_for_update().first()
        until = user and user.purge_at
        if user is None or until is None or until <= timezone.now() or not is_queued(message):
            return
        secret = issue_token(user, Purpose.UNDELETE, address, until - timezone.now())
    notify_user(user, message, "account_deleted", link=page_link("undelete", secret), until=until)


def notify(message: OutboxMessage, template: str, **values: Any) -> None:
    user = users_of(message).first()
    if user is not None:
        notify_user(user, message, template, **values)


def notify_user(user: User, message: OutboxMessage, template: str, **values: Any) -> None:
    """Send a notice to the address in the message. An unverified one gets at most five an hour."""
    to, is_proven = message.payload["email"], message.payload["proven"]
    context = {"user": user, "is_proven": is_proven, "act_link": act_link(), **values}
    if is_proven:
        mail.send(template, to=to, context=context, cause=message)
        return
    with transaction.atomic():
        has_room = mailboxes.reserve(to, Kind.NOTICE)
    if has_room:
        send_counted(Kind.NOTICE, template, to=to, context=context, cause=message)


def users_of(message: OutboxMessage) -> UserQuerySet:
    """Return the user of the message, as a queryset, if not deleted."""
    return User.objects.not_deleted().filter(pk=message.payload["user"])


# --- addresses of pages -----------------------------------------------------------------------------


def page_link(page: str, secret: str) -> str:
    """Return a link below FRONTEND_URL, not below the Host of a request (password reset poisoning)."""
    return f"{settings.FRONTEND_URL}/account/{page}?{urlencode({'token': secret})}"


def act_link() -> str:
    """Return the link in a notice: a new password ends every session and voids every open link."""
    return f"{settings.FRONTEND_URL}/account/forgot-password"


def sample_user() -> User:
    return User(email="ann@example.com", name="Ann Example", email_verified_at=timezone.now())


def sample_notice(**values: Any) -> dict[str, Any]:
    return {"user": sample_user(), "is_proven": True, "act_link": act_link(), **values}


def samples() -> dict[str, dict[str, Any]]:
    """Return an unsaved context for each email, for the developers' preview."""
    user, notice = sample_user(), sample_notice()
    return {
        "password_reset": {"user": user, "link": page_link("reset-password", "sample")},
        "invitation": {"user": user, "link": page_link("reset-password", "sample")},
        "email_proof": {"user": user, "link": page_link("verify-email", "sample"), "changing": False},
        "email_change_requested": {**notice, "new_email": "ann@new.example"},
        "email_changed": {
            **notice,
            "new_email": "ann@new.example",
            "link": page_link("undo-email-change", "sample"),
            "is_change_back": False,
        },
        "email_change_undone": notice,
        "account_deleted": {
            **notice,
            "link": page_link("undelete", "sample"),
            "until": timezone.now() + settings.TRASH_RETENTION,
        },
        "password_changed": notice,
        "session_closed": notice,
        "webhook_paused": {**notice, "origin": "https://hooks.example", "since": timezone.now()},
        "new_device": {
            **notice,
            "at": timezone.now(),
            "ip_address": "203.0.113.7",
            "device": "Firefox on Linux",
            "link": page_link("not-me", "sample"),
        },
    }


mail.previews.append(samples)
