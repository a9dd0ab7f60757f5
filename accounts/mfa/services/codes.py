"""Codes of a second factor: of the authenticator app, or a recovery code. Each is accepted once.

The caller of a function here holds the row of the user. So guesses at one account wait for each other, and no more of
them are compared than the lock-out allows.
"""

import hmac
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import pyotp
import structlog
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import tokens
from accounts.mfa.models import Passkey, RecoveryCode, TotpDevice
from accounts.models import Session, User
from accounts.services.lockout import clear_failures, count_failure, refuse_locked
from accounts.services.notices import enqueue_notice
from accounts.services.recovery import lock_user
from core.audit import services as audit
from core.web import metrics
from core.web.encryption import UnknownKey
from core.web.errors import ApiError
from core.web.text import fold

log = structlog.get_logger(__name__)
Result = TypeVar("Result")

MAX_CODE = 64  # characters, with spaces and hyphens
STEP_SECONDS = 30
TOTP_DIGITS = 6
# The clock of a phone may be a step behind or ahead (RFC 6238, 5.2).
DRIFTS = (0, -1, 1)

MESSAGES = {
    "totp": "A code of the authenticator app.",
    "recovery_code": "A recovery code.",
    "passkey": "A passkey, by /auth/passkeys/login.",
}


class MfaRequired(ApiError):
    code = "MFA_REQUIRED"

    def __init__(self, methods: Iterator[str], field: str = "code") -> None:
        details = [
            {"field": None if name == "passkey" else field, "code": name, "message": MESSAGES[name]}
            for name in methods
        ]
        super().__init__(details=details)


class MfaInvalid(ApiError):
    code = "MFA_INVALID"


class UnreadableSecret(MfaInvalid):
    """The secret of the app is under a key that the server does not have. It is not counted: no code would be right."""

    def __init__(self) -> None:
        super().__init__(message=_("Codes of the app cannot be verified. Use a recovery code."))


def methods_of(user: User) -> Iterator[str]:
    """Yield the names of the methods by which the user can prove a second factor now."""
    if TotpDevice.objects.filter(user=user).exclude(confirmed_at=None).exists():
        yield "totp"
    if RecoveryCode.objects.filter(user=user).unused().exists():
        yield "recovery_code"
    if Passkey.objects.filter(user=user).exists():
        yield "passkey"


def with_code(user: User, code: str, act: Callable[[], Result]) -> Result:
    """Accept the code and call `act` in one transaction. Raise MfaInvalid, or AccountLocked. A wrong code is counted to
    the lock-out: that is committed before the error is raised."""
    with transaction.atomic():
        lock_user(user)
        if accepts(user, code):
            return act()
    raise MfaInvalid


def accepts(user: User, code: str) -> bool:
    """Spend the code and clear the failures, or count a failure and return False. Raise AccountLocked."""
    refuse_locked(user.email)
    if spend(user, code):
        clear_failures(user.email)
        return True
    count_failure(user.email, user)
    return False


def verify_code(session: Session, code: str) -> None:
    """Accept the code as a proof of a step-up. Raise MfaInvalid, AccountLocked."""
    with_code(session.user, code, lambda: None)


def require_code(user: User, code: str | None, *, field: str = "code") -> bool:
    """Do as `accepts` at a log-in, after the password or the provider was verified. Raise MfaRequired if the code is
    missing, in this field of the request: that is not counted."""
    if code is None:
        metrics.logins_total.labels("mfa_required").inc()
        raise MfaRequired(methods_of(user), field)
    return accepts(user, code)


def prove(user: User, code: str | None) -> None:
    """Accept the code of a log-in to the admin. Raise MfaRequired, MfaInvalid, AccountLocked."""
    with transaction.atomic():
        lock_user(user)
        accepted = require_code(user, code)
    if not accepted:
        raise MfaInvalid


def spend(user: User, code: str) -> bool:
    text = normalized(code)
    if len(text) == TOTP_DIGITS:
        device = TotpDevice.objects.filter(user=user).exclude(confirmed_at=None).first()
        return device is not None and spend_totp(device, text)
    return spend_recovery_code(user, text)


def normalized(code: str) -> str:
    """Return the code in lower case without what people type between its groups."""
    text = fold(code[:MAX_CODE])
    return "".join(character for character in text if character.isalnum())


def spend_totp(device: TotpDevice, code: str) -> bool:
    """Return whether this is the code of a step that is later than the last accepted one. It is spent then. Raise
    UnreadableSecret."""
    secret = secret_of(device)
    if secret is None:
        raise UnreadableSecret
    step = matching_step(secret, code)
    return step is not None and device.claim_step(step)


def secret_of(device: TotpDevice) -> str | None:
    """Return the secret, or None, with an error in the log, for one under an unknown key."""
    try:
        return device.secret
    except UnknownKey:
        log.error("totp_secret_unreadable", deviceId=str(device.pk))
        return None


def matching_step(secret: str, code: str) -> int | None:
    now = int(time.time()) // STEP_SECONDS
    generator = pyotp.HOTP(secret, digits=TOTP_DIGITS)
    steps = [now + drift for drift in DRIFTS]
    equal = [step for step in steps if hmac.compare_digest(generator.at(step).encode(), code.encode())]
    return equal[0] if equal else None


def spend_recovery_code(user: User, code: str) -> bool:
    """Spend a recovery code, with a notice to the user. Only one of several parallel calls returns True."""
    unused = RecoveryCode.objects.filter(user=user, code_hash=tokens.digest(code)).unused()
    if not unused.update(used_at=timezone.now()):
        return False
    left = RecoveryCode.objects.filter(user=user).unused().count()
    audit.record("recovery_code.used", actor_id=user.pk, target=user, changes={"left": [left + 1, left]})
    notify(user, "recovery_code_used", left=left)
    return True


def notify(user: User, template: str, **values: Any) -> None:
    enqueue_notice(f"accounts.{template}", user, expires_in=timedelta(days=2), **values)
