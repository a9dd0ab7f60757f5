"""Checking and changing passwords: the lock-out, the gate in front of the slow hash, reset by mail."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts import tokens
from accounts.addresses import lookup_email
from accounts.models import Lockout, OneTimeToken, Session, User
from accounts.validators import normalize_password
from core import audit, metrics, outbox
from core.errors import ApiError, FieldError

GATE_SECONDS = 5.0
_gate = threading.BoundedSemaphore(settings.PASSWORD_HASHERS_AT_ONCE)


class AccountLocked(ApiError):
    code = "ACCOUNT_LOCKED"


class InvalidCredentials(ApiError):
    code = "INVALID_CREDENTIALS"


class InvalidToken(FieldError):
    def __init__(self) -> None:
        super().__init__("token", "invalid_token", "The link is not valid any more. Ask for a new one.")


@contextmanager
def hashing() -> Iterator[None]:
    """bcrypt takes a whole core for its time. More at once than the gate lets through would starve every other
    request, so a storm of logins waits here, and the rest of it is told to come again."""
    if not _gate.acquire(timeout=GATE_SECONDS):
        raise ApiError("SERVICE_UNAVAILABLE", retry_after=math.ceil(GATE_SECONDS))
    try:
        yield
    finally:
        _gate.release()


def hash_password(password: str) -> str:
    with hashing():
        return make_password(normalize_password(password))


def check_rules(password: str, user: User, field: str) -> None:
    """Raises ApiError with one detail for each rule that is broken."""
    try:
        validate_password(normalize_password(password), user)
    except ValidationError as error:
        raise ApiError(
            "VALIDATION_ERROR",
            details=[
                {"field": field, "code": problem.code or "invalid", "message": problem.messages[0]}
                for problem in error.error_list
            ],
        ) from error


# --- the lock-out ---------------------------------------------------------------------------------


def address_hash(email: str) -> str:
    return salted_hmac("groundwork.lockout", email, algorithm="sha256").hexdigest()


def reserve_attempt(email: str) -> bool:
    """Count a failure before the password is looked at; `clear_failures` takes it back after a success.

    Counting first means that a hundred parallel guesses get five hashes and not a hundred. Raises AccountLocked
    without counting when the address is locked, so that tries during a lock do not extend it. Says whether this
    failure is the one that locks.
    """
    now = timezone.now()
    with transaction.atomic():
        lockout, _ = Lockout.objects.select_for_update().get_or_create(address_hash=address_hash(email))
        if lockout.seconds_left:
            metrics.logins_total.labels("locked").inc()
            raise AccountLocked(retry_after=lockout.seconds_left)
        oldest = (now - settings.LOCKOUT_WINDOW).timestamp()
        # A lock that has run out starts a new count: those failures have had their price.
        recent = [] if lockout.locked_until else [at for at in lockout.failed_at if at > oldest]
        lockout.failed_at = [*recent, now.timestamp()]
        lockout.locked_until = None
        if len(lockout.failed_at) >= settings.LOCKOUT_FAILURES:
            lockout.locked_until = now + settings.LOCKOUT_DURATION
        lockout.save()
    return lockout.locked_until is not None


def clear_failures(email: str) -> None:
    Lockout.objects.filter(address_hash=address_hash(email)).delete()


def check_credentials(email: str, password: str) -> User:
    """The user with this password. Raises AccountLocked or InvalidCredentials; an unknown address takes the same
    steps and the same time as a known one."""
    address = lookup_email(email)
    locks = reserve_attempt(address)
    user = User.objects.with_email(address).first()
    if user is None:
        hash_password(password)
    elif matches(user, password):
        clear_failures(address)
        metrics.logins_total.labels("success").inc()
        return user
    record_failure(user, locks)
    raise InvalidCredentials


def record_failure(user: User | None, locks: bool) -> None:
    metrics.logins_total.labels("failure").inc()
    audit.record("account.locked" if locks else "login.failed", target=user)


def matches(user: User, password: str) -> bool:
    def store_upgraded(raw: str) -> None:
        user.password = make_password(raw)
        user.save(update_fields=["password"])

    with hashing():
        return check_password(normalize_password(password), user.password, store_upgraded)


def check_current_password(user: User, password: str, *, field: str = "currentPassword") -> None:
    """Ask somebody who is logged in for the password again. Raises FieldError, or AccountLocked."""
    locks = reserve_attempt(user.email)
    if not matches(user, password):
        record_failure(user, locks)
        raise FieldError(field, "wrong_password", "This is not the current password.")
    clear_failures(user.email)


# --- changing -------------------------------------------------------------------------------------


def change_password(*, session: Session, current: str, new: str) -> None:
    """Every other session ends, and so does every reset link. Raises FieldError, AccountLocked, ApiError."""
    user = session.user
    check_current_password(user, current)
    check_rules(new, user, "newPassword")
    encoded = hash_password(new)
    with transaction.atomic():
        _store_password(user, encoded)
        user.sessions.exclude(pk=session.pk).end("password_changed")
        audit.record("password.changed", actor_id=user.pk, target=user)


def request_password_reset(*, email: str) -> None:
    """Promise a mail, without looking whether anybody has this address: the worker looks. So a known and an
    unknown address cost the request exactly the same."""
    outbox.enqueue(
        "accounts.password_reset", {"email": lookup_email(email)}, expires_in=settings.PASSWORD_RESET_LIFETIME
    )


def reset_password(*, token: str, password: str) -> None:
    """Spend the token, end every session, open the lock. Raises InvalidToken, or ApiError for a weak password,
    which does not spend the token."""
    secret = find_token(token, OneTimeToken.Purpose.PASSWORD_RESET)
    user = secret.user
    check_rules(password, user, "password")
    encoded = hash_password(password)
    with transaction.atomic():
        if not secret.claim():
            raise InvalidToken
        _store_password(user, encoded)
        user.sessions.end("password_reset")
        clear_failures(user.email)
        audit.record("password.reset", actor_id=user.pk, target=user)


def _store_password(user: User, encoded: str) -> None:
    user.password = encoded
    user.session_epoch += 1
    user.save(update_fields=["password", "session_epoch"])
    void_reset_tokens(user)
    outbox.enqueue("accounts.password_changed", {"user": str(user.pk)}, expires_in=timedelta(days=2))


def void_reset_tokens(user: User) -> None:
    user.one_time_tokens.filter(purpose=OneTimeToken.Purpose.PASSWORD_RESET, used_at=None).delete()


def find_token(token: str, purpose: str) -> OneTimeToken:
    """The unspent token of a living user. Raises InvalidToken."""
    secret = (
        OneTimeToken.objects.select_related("user")
        .filter(token_hash=tokens.digest(token), purpose=purpose, used_at=None)
        .first()
    )
    if secret is None or secret.expires_at <= timezone.now() or not secret.user.is_active:
        raise InvalidToken
    return secret


def issue_token(user: User, purpose: str, email: str, lifetime: timedelta) -> str:
    """A new secret for a mail; only its hash is kept. Called where the mail is sent, so that no row and no queue
    ever holds it."""
    secret = tokens.new_jti()
    OneTimeToken.objects.create(
        user=user,
        purpose=purpose,
        email=email,
        token_hash=tokens.digest(secret),
        expires_at=timezone.now() + lifetime,
    )
    return secret
