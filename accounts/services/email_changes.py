"""Verification and change of an email address by a link to it, and undoing by a link to the old address."""

from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import OneTimeToken, User
from accounts.services.lockout import carry_failures
from accounts.services.notices import enqueue_notice
from accounts.services.passwords import InvalidToken, find_token, record_refused
from accounts.services.recovery import (
    cancel_pending_email,
    clear_pending_email,
    lock_user,
    queued,
    refuse_outranked,
    void_open_links,
)
from accounts.services.sessions import end_all_sessions
from core.audit import services as audit
from core.audit.models import AuditEvent
from core.outbox import services as outbox
from core.web.errors import ApiError

Purpose = OneTimeToken.Purpose


class EmailTaken(ApiError):
    code = "EMAIL_EXISTS"


def enqueue_verification(user: User, address: str) -> None:
    outbox.enqueue(
        "accounts.email_proof",
        {"user": str(user.pk), "email": address},
        expires_in=settings.EMAIL_PROOF_LIFETIME,
    )


def resend_email_verification(*, user: User, actor: User) -> bool:
    """Enqueue a new link to the own and the pending address, if unverified. Return False if there is none, or the
    account is suspended: its links are refused."""
    with transaction.atomic():
        lock_user(user)
        refuse_outranked(user, actor)
        own = None if user.email_verified else user.email
        addresses = [address for address in (own, user.pending_email) if address]
        if not addresses or not user.is_active:
            return False
        for address in addresses:
            enqueue_verification(user, address)
        audit.record("email.proof_requested", actor_id=actor.pk, target=user)
    return True


def prove_email(*, token: str) -> User:
    """Spend the token and verify its address. A pending address becomes that of the account.

    Return without a change if the account has this address verified already. So a link may be opened twice, or after
    a password reset, but changes the account only once.
    Raise InvalidToken, or EmailTaken if another account has taken the address meanwhile.
    """
    secret = find_token(token, Purpose.EMAIL_PROOF, or_spent=True)
    try:
        with transaction.atomic():
            user = locked_user(secret)
            if user.email_verified and user.email == secret.email:
                secret.claim()
                return user
            if secret.email not in {user.email, user.pending_email} or not secret.claim():
                raise InvalidToken
            before, was_verified = user.email, user.email_verified
            user.email, user.email_verified_at = secret.email, timezone.now()
            if user.pending_email == secret.email:
                user.pending_email = None
            user.save_changes("email", "email_verified_at", "pending_email")
            audit.record(
                "email.verified", actor_id=user.pk, target=user, changes={"email": [before, user.email]}
            )
            if before != user.email:
                carry_failures(before, user.email)
                void_open_links(user=user, actor_id=user.pk)
                enqueue_change_notices(user, left=before, was_verified=was_verified)
    except InvalidToken:  # recorded outside the transaction, which is rolled back
        record_refused(secret)
        raise
    except IntegrityError as error:
        raise EmailTaken from error
    return user


def locked_user(secret: OneTimeToken) -> User:
    user: User | None = User.objects.active().select_for_update().filter(pk=secret.user_id).first()
    if user is None:
        raise InvalidToken
    return user


def change_address(user: User, address: str) -> bool:
    """Make `address` pending, and return whether that is a change. The account's own address cancels a pending one.

    The caller holds the row, and saves `pending_email` if this returns True. Raise EmailTaken.
    """
    pending = None if address == user.email else address
    if pending == user.pending_email:
        return False
    if user.pending_email:
        clear_pending_email(user)
    if pending:
        if User.objects.with_email(pending).exists():
            raise EmailTaken
        user.pending_email = pending
        enqueue_verification(user, pending)
        enqueue_notice("accounts.email_change_requested", user, new=pending)
    return True


def cancel_email_change(*, user: User, actor: User) -> bool:
    """Cancel the change as staff. Return False if no address is pending."""
    with transaction.atomic():
        lock_user(user)
        refuse_outranked(user, actor)
        return cancel_pending_email(user=user, actor_id=actor.pk)


# --- undoing --------------------------------------------------------------------------------------


def enqueue_change_notices(user: User, *, left: str, was_verified: bool) -> None:
    """Enqueue a notice to the former address, with a link to undo the change if that address was verified.

    An unverified address may belong to a stranger, because of a typing error: a link would give them the account.
    A change back to an address that still has such a link is itself an undo. The address in between gets no link,
    because it may be a thief's, who could undo the undo.
    """
    since = undoable_since(user)
    if since is not None:
        void_undo_links(user, since=since)
    is_back = since is not None
    enqueue_notice(
        "accounts.email_changed",
        user,
        expires_in=settings.EMAIL_UNDO_LIFETIME,
        email=left,
        proven=was_verified,
        new=user.email,
        undo=was_verified and not is_back,
        back=is_back,
    )


def undoable_since(user: User) -> datetime | None:
    """Return the time of the oldest change away from the current address that can still be undone."""
    queued_links = queued("accounts.email_changed", user=str(user.pk), email=user.email, undo=True)
    sent_links = open_undo_links(user).filter(email=user.email)
    times = [
        *sent_links.values_list("created_at", flat=True),
        *queued_links.values_list("created_at", flat=True),
    ]
    return min(times, default=None)


def undo_email_change(*, token: str) -> User:
    """Spend the token, set the address that it was sent to, and end every session.

    Of several changes the oldest address wins: its link voids those of later changes, and no later change, new
    password or log-out voids it. Raise InvalidToken, or EmailTaken, which does not spend the token.
    """
    secret = find_token(token, Purpose.EMAIL_UNDO)
    try:
        with transaction.atomic():
            user = locked_user(secret)
            if not secret.claim():
                raise InvalidToken
            left, was_verified = user.email, user.email_verified
            user.email, user.email_verified_at = secret.email, timezone.now()
            user.save_changes("email", "email_verified_at")
            audit.record(
                "email.change_undone", actor_id=user.pk, target=user, changes={"email": [left, user.email]}
            )
            void_undo_links(user, since=secret.created_at)
            end_all_sessions(user=user, actor=user, reason="email_change_undone")
            if left != user.email:
                enqueue_notice("accounts.email_change_undone", user, email=left, proven=was_verified)
    except IntegrityError as error:
        raise EmailTaken from error
    return user


def was_undone_since(user: User, moment: datetime) -> bool:
    """Return whether a change was undone since then. Staff may retry a message that failed before the undo."""
    undone = AuditEvent.objects.filter(event="email.change_undone", target_id=user.pk)
    return undone.filter(created_at__gte=moment).exists()


def open_undo_links(user: User) -> QuerySet[OneTimeToken]:
    links: QuerySet[OneTimeToken] = user.one_time_tokens.filter(
        purpose=Purpose.EMAIL_UNDO, used_at=None, expires_at__gt=timezone.now()
    )
    return links


def void_undo_links(user: User, *, since: datetime) -> None:
    """Delete the links, sent or queued, of the changes since then. `created_at` of a link is the time of its change."""
    open_undo_links(user).filter(created_at__gte=since).delete()
    queued("accounts.email_changed", user=str(user.pk)).filter(created_at__gte=since).delete()
