"""Verification, change and reset of passwords."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts import tokens
from accounts.addresses import lookup_email
from accounts.hash_limit import hash_limit
from accounts.models import OneTimeToken, Session, Status, User
from accounts.services.lockout import clear_failures, count_failure, refuse_locked
from accounts.services.notices import enqueue_notice
from accounts.services.recovery import (
    SETS_PASSWORD,
    lock_user,
    refuse_outranked,
    revoke_credentials,
    void_open_links,
)
from accounts.validators import normalize_password
from core.audit import services as audit
from core.outbox import services as outbox
from core.web import metrics
from core.web import request_context as context
from core.web.client_address import limit_key
from core.web.error_details import detail_of
from core.web.errors import ApiError, FieldError


class InvalidCredentials(ApiError):
    code = "INVALID_CREDENTIALS"


class AccountSuspended(ApiError):
    code = "ACCOUNT_SUSPENDED"


class WrongPassword(FieldError):
    def __init__(self, field: str) -> None:
        super().__init__(field, "wrong_password", "This is not the current password.")


class InvalidToken(FieldError):
    def __init__(self) -> None:
        super().__init__("token", "invalid_token", "The link is not valid any more. Ask for a new one.")


def hash_password(password: str) -> str:
    with hash_limit.slot():
        return make_password(normalize_password(password))


def check_rules(password: str, user: User, field: str) -> None:
    """Raise ApiError with one detail for each rule that the password breaks."""
    try:
        validate_password(normalize_password(password), user)
    except ValidationError as error:
        raise ApiError(
            "VALIDATION_ERROR",
            details=[detail_of(field, problem) for problem in error.error_list],
        ) from error


# --- checking -------------------------------------------------------------------------------------


def check_credentials(email: str, password: str) -> User:
    """Return the user with this password. Raise AccountLocked, InvalidCredentials or, only with the right password,
    AccountSuspended. An unknown address takes the same steps and the same time as a known one.

    With a second factor the password alone clears no failures. Else its owner could guess codes without an end.
    The lock is checked and the failure counted while the slot is held. So of a hundred parallel guesses only as many
    are hashed as lock the address, and one for each process.
    """
    address = lookup_email(email)
    with hash_limit.slot():
        failed_before = refuse_locked(address)
        user = User.objects.with_email(address).first()
        if user is None:
            make_password(password)
        elif user.check_password(password):
            refuse_suspended(user)
            if failed_before and not user.mfa_enabled:
                clear_failures(address)
            return user
        count_failure(address, user)
    raise InvalidCredentials


def refuse_suspended(user: User) -> None:
    """Raise AccountSuspended, and record it. Call it after the password was verified: a stranger must not learn it."""
    if user.status == Status.SUSPENDED:
        metrics.logins_total.labels("suspended").inc()
        audit.record_bounded("login.refused", caller=user.pk, target=user)
        raise AccountSuspended


def check_current_password(user: User, password: str, *, field: str = "currentPassword") -> None:
    """Verify the password of a logged-in user. Raise FieldError, or AccountLocked.

    The caller then locks the row and calls `refuse_replaced`, because the hash is slow."""
    with hash_limit.slot():
        failed_before = refuse_locked(user.email)
        if user.check_password(password):
            if failed_before and not user.mfa_enabled:
                clear_failures(user.email)
            return
        count_failure(user.email, user)
    raise WrongPassword(field)


def refuse_replaced(user: User, verified: str | None, *, field: str = "currentPassword") -> None:
    """Raise FieldError if the row has another hash by now than `verified`, with which a password was compared. A
    parallel reset must win over the old password. With None no password was needed."""
    if verified is not None and user.password != verified:
        raise WrongPassword(field)


# --- changing -------------------------------------------------------------------------------------


def change_password(*, session: Session, current: str, new: str) -> None:
    """Set a password, end every other session and void all links. Raise FieldError, AccountLocked, ApiError."""
    user = session.user
    check_current_password(user, current)
    check_rules(new, user, "newPassword")
    encoded, verified = hash_password(new), user.password
    with transaction.atomic():
        lock_user(user)
        refuse_replaced(user, verified)
        # A log-out everywhere may have ended the session while the hashes ran. Then its new password must not count.
        if not user.sessions.live().filter(pk=session.pk).exists():
            raise ApiError("TOKEN_REVOKED")
        _store_password(user, encoded, user.pk)
        user.sessions.exclude(pk=session.pk).end("password_changed")
        audit.record("password.changed", actor_id=user.pk, target=user)


def request_password_reset(*, email: str) -> None:
    """Enqueue an email without a query for the account, which the worker does. So a request with a known address
    takes the same time as one with an unknown address."""
    with transaction.atomic():
        enqueue_reset(lookup_email(email))
        # Without the address, which may be unknown. An email that is sent has its own event with the same request id.
        audit.record_bounded(
            "password.reset_requested", caller=limit_key(context.current.get().limit_address)
        )


def enqueue_reset(address: str) -> None:
    """Enqueue a reset link to the account with this address, if there is one."""
    payload = {"email": address}
    outbox.enqueue("accounts.password_reset", payload, expires_in=settings.PASSWORD_RESET_LIFETIME)


def send_reset_link(*, user: User, actor: User) -> bool:
    """Enqueue a reset link as staff. Return False for an account that is not active: its links are refused. Raise
    ApiError for a user of a higher role."""
    with transaction.atomic():
        lock_user(user)
        refuse_outranked(user, actor)
        if not user.is_active:
            return False
        enqueue_reset(user.email)
        audit.record("password.reset_requested", actor_id=actor.pk, target=user)
    return True


def reset_password(*, token: str, password: str) -> None:
    """Spend the token of a reset link or an invitation, set the password, end every session and the lock-out. Raise
    InvalidToken, or ApiError for a weak password, which does not spend the token."""
    secret = find_token(token, *SETS_PASSWORD)
    user = secret.user
    check_rules(password, user, "password")
    encoded = hash_password(password)
    with transaction.atomic():
        # The user's row first, as everywhere, to avoid a deadlock of two links that are used at once.
        user = User.objects.select_for_update().get(pk=user.pk)
        if not secret.claim():
            raise InvalidToken
        if not user.email_verified:  # the link was sent to this address
            user.email_verified_at = timezone.now()
            user.save_changes("email_verified_at")
            changes = {"email": [user.email, user.email]}
            audit.record("email.verified", actor_id=user.pk, target=user, changes=changes)
        _store_password(user, encoded, user.pk)
        user.sessions.end("password_reset")
        revoke_credentials(user=user, actor_id=user.pk, reason="password_reset")
        clear_failures(user.email)
        audit.record("password.reset", actor_id=user.pk, target=user)


def set_password(*, user: User, password: str, actor: User | None) -> None:
    """Set a password, end every session and the lock-out, and enqueue a notice to the user. The actor is staff, the
    user after verification of the old password, or None for the command line. Raise ApiError for a weak password or a
    user of a higher role, and FieldError if the actor's own password was replaced since `user` was read."""
    check_rules(password, user, "password")
    encoded, verified, epoch = hash_password(password), user.password, user.session_epoch
    with transaction.atomic():
        lock_user(user)
        refuse_outranked(user, actor)
        if actor is not None and actor.pk == user.pk:
            refuse_replaced(user, verified, field="password")
            if user.session_epoch != epoch:  # as in change_password
                raise ApiError("TOKEN_REVOKED")
        _store_password(user, encoded, actor.pk if actor else None)
        user.sessions.end("password_changed")
        if actor is None or actor.pk != user.pk:
            revoke_credentials(user=user, actor_id=actor.pk if actor else None, reason="password_set")
        clear_failures(user.email)
        audit.record("password.changed", actor_id=actor.pk if actor else None, target=user)


def _store_password(user: User, encoded: str, actor_id: UUID | None) -> None:
    """Store the hash, void all open links and end all step-ups. The caller holds the row."""
    user.password = encoded
    user.session_epoch += 1
    user.save(update_fields=["password", "session_epoch"])
    user.sessions.update(step_up_expires_at=None)
    void_open_links(user=user, actor_id=actor_id)
    enqueue_notice("accounts.password_changed", user, expires_in=timedelta(days=2))


def find_token(token: str, *purposes: str, or_spent: bool = False) -> OneTimeToken:
    """Return the unspent token of an active user, with `or_spent` a spent one too. One that undoes a deletion is of a
    deleted user. Raise InvalidToken for another, and for one of none of these purposes."""
    matches = OneTimeToken.objects.select_related("user").filter(
        token_hash=tokens.digest(token), purpose__in=purposes
    )
    secret = matches.first()
    if secret is None:
        raise InvalidToken
    is_spent = secret.used_at is not None and not or_spent
    expected = Status.DELETED if secret.purpose == OneTimeToken.Purpose.UNDELETE else Status.ACTIVE
    if is_spent or secret.expires_at <= timezone.now() or secret.user.status != expected:
        record_refused(secret)
        raise InvalidToken
    context.identify(secret.user_id)
    return secret


def record_refused(secret: OneTimeToken) -> None:
    changes = {"purpose": [None, secret.purpose]}
    audit.record_bounded("link.refused", caller=secret.pk, target=secret, changes=changes)


def issue_token(
    user: User,
    purpose: str,
    email: str,
    lifetime: timedelta,
    *,
    created_at: datetime | None = None,
    session: Session | None = None,
) -> str:
    """Return a new secret for an email, and store its hash. Call it when the email is sent, so that no row and no
    queue contains the secret."""
    secret = tokens.new_jti()
    now = timezone.now()
    OneTimeToken.objects.create(
        user=user,
        session=session,
        purpose=purpose,
        email=email,
        token_hash=tokens.digest(secret),
        created_at=created_at or now,
        expires_at=now + lifetime,
    )
    return secret
