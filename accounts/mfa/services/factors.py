"""The second factors of a user: added, removed, reset by staff."""

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pyotp
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import tokens
from accounts.mfa.models import Passkey, RecoveryCode, TotpDevice
from accounts.mfa.services.codes import (
    STEP_SECONDS,
    TOTP_DIGITS,
    MfaInvalid,
    matching_step,
    normalized,
    notify,
    with_code,
)
from accounts.models import Session, User
from accounts.services.lockout import count_failure, refuse_locked
from accounts.services.recovery import lock_user, refuse_outranked
from accounts.services.sessions import end_all_sessions, require_live
from accounts.services.step_up import Reauthentication
from core.audit import services as audit
from core.web.errors import ApiError

TOTP = "totp"
SECRET_BYTES = 20  # 160 bits, as RFC 4226, 4 recommends
RECOVERY_CODES = 10
RECOVERY_CODE_BYTES = 10
# An unconfirmed secret is only good for as long as its QR code is on the screen.
CONFIRMATION_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A new secret, for the authenticator app only."""

    secret: str
    uri: str
    device_id: UUID


class NoSecondFactor(ApiError):
    code = "CONFLICT"

    def __init__(self) -> None:
        super().__init__(message=_("The account has no second factor."))


class AlreadyEnrolled(ApiError):
    code = "CONFLICT"

    def __init__(self) -> None:
        super().__init__(message=_("The account has an authenticator app. Remove it first."))


# --- the authenticator app --------------------------------------------------------------------------


def start_totp(*, session: Session, reauthentication: Reauthentication) -> Enrolment:
    """Store a new secret, which counts once `confirm_totp` has verified a code. Replace an unconfirmed one. Raise
    AlreadyEnrolled."""
    user = session.user
    with transaction.atomic():
        lock_user(user)
        reauthentication.confirm(user)
        require_live(session)
        return store_secret(user)


def store_secret(user: User) -> Enrolment:
    """Store an unconfirmed secret. The caller holds the row of the user."""
    if TotpDevice.objects.filter(user=user).exclude(confirmed_at=None).exists():
        raise AlreadyEnrolled
    TotpDevice.objects.filter(user=user).delete()
    secret = base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()
    device = TotpDevice(user=user)
    device.secret = secret
    device.save()
    return enrolment_of(device)


def enrolment_of(device: TotpDevice) -> Enrolment:
    return Enrolment(device.secret, uri_of(device.user, device.secret), device.pk)


def uri_of(user: User, secret: str) -> str:
    """Return the address that a QR code holds for the app."""
    totp = pyotp.TOTP(secret, digits=TOTP_DIGITS, interval=STEP_SECONDS)
    return totp.provisioning_uri(name=user.email, issuer_name=settings.PRODUCT_NAME)


def pending_totp(user: User) -> TotpDevice | None:
    recent = timezone.now() - CONFIRMATION_LIFETIME
    return TotpDevice.objects.filter(user=user, confirmed_at=None, created_at__gt=recent).first()


def confirm_totp(*, user: User, code: str, require: Callable[[], None]) -> list[str]:
    """Enable the authenticator app by its first code, and return ten new recovery codes. `require` raises ApiError if
    the session of the user has ended; it is called with the row locked. Raise MfaInvalid, AccountLocked, and ApiError
    (CONFLICT) without a secret that waits."""
    with transaction.atomic():
        lock_user(user)
        require()
        device = pending_totp(user)
        if device is None:
            raise ApiError(
                "CONFLICT", message=_("No authenticator app waits for its confirmation. Start again.")
            )
        refuse_locked(user.email)
        step = matching_step(device.secret, normalized(code))
        if step is not None:
            device.confirmed_at = device.last_used_at = timezone.now()
            device.last_step = step
            device.save(update_fields=["confirmed_at", "last_used_at", "last_step"])
            add_factor(user, TOTP)
            return replace_recovery_codes(user)
        count_failure(user.email, user)
    raise MfaInvalid


def remove_totp(*, session: Session, reauthentication: Reauthentication, code: str) -> None:
    """Remove the authenticator app. Raise MfaInvalid, AccountLocked, and ApiError without one."""
    user = session.user

    def remove() -> None:
        reauthentication.confirm(user)
        require_live(session)
        TotpDevice.objects.filter(user=user).delete()
        drop_factor(user, TOTP, actor=user)

    if not TotpDevice.objects.filter(user=user).exclude(confirmed_at=None).exists():
        raise ApiError("NOT_FOUND")
    with_code(user, code, remove)


# --- recovery codes ---------------------------------------------------------------------------------


def renew_recovery_codes(*, session: Session, code: str) -> list[str]:
    """Return ten new recovery codes. The old ones are void. Raise NoSecondFactor, MfaInvalid, AccountLocked."""
    user = session.user

    def renew() -> list[str]:
        require_live(session)
        audit.record("recovery_codes.renewed", actor_id=user.pk, target=user)
        notify(user, "recovery_codes_renewed")
        return replace_recovery_codes(user)

    if not user.mfa_enabled:
        raise NoSecondFactor
    return with_code(user, code, renew)


def replace_recovery_codes(user: User) -> list[str]:
    RecoveryCode.objects.filter(user=user).delete()
    codes = [new_recovery_code() for _number in range(RECOVERY_CODES)]
    hashes = [tokens.digest(normalized(code)) for code in codes]
    RecoveryCode.objects.bulk_create([RecoveryCode(user=user, code_hash=each) for each in hashes])
    return codes


def new_recovery_code() -> str:
    """Return 80 random bits in base 32, in groups of four: `abcd-efgh-ijkl-mnop`."""
    text = base64.b32encode(secrets.token_bytes(RECOVERY_CODE_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


# --- all of them ------------------------------------------------------------------------------------


def add_factor(user: User, name: str) -> None:
    """Record a new factor, with a notice. The caller holds the row of the user."""
    if not user.mfa_enabled:
        user.mfa_enabled = True
        user.save_changes("mfa_enabled")
    audit.record("second_factor.added", actor_id=user.pk, target=user, changes={"factor": [None, name]})
    notify(user, "second_factor_added", factor=name)


def drop_factor(user: User, name: str, *, actor: User | None) -> None:
    """Record the removal of a factor, with a notice. Recovery codes are void with the last factor. The caller holds the
    row of the user."""
    if not has_factor(user):
        RecoveryCode.objects.filter(user=user).delete()
        user.mfa_enabled = False
        user.save_changes("mfa_enabled")
    changes = {"factor": [name, None]}
    audit.record("second_factor.removed", actor_id=actor.pk if actor else None, target=user, changes=changes)
    notify(user, "second_factor_removed", factor=name)


def has_totp(user: User) -> bool:
    return TotpDevice.objects.filter(user=user).exclude(confirmed_at=None).exists()


def has_factor(user: User) -> bool:
    return has_totp(user) or Passkey.objects.filter(user=user).exists()


def reset_second_factor(*, user: User, actor: User | None) -> bool:
    """Remove every factor of a user who has lost them, as staff or by the command line, and end all sessions. Return
    False if there is none. Raise ApiError for a user of a higher role, and for the actor's own account."""
    with transaction.atomic():
        lock_user(user)
        refuse_outranked(user, actor)
        if actor is not None and actor.pk == user.pk:
            # A thief of the actor's session must not be able to remove the factor.
            raise ApiError("FORBIDDEN", message=_("Remove your own second factor with one of its codes."))
        if not user.mfa_enabled:
            return False
        TotpDevice.objects.filter(user=user).delete()
        Passkey.objects.filter(user=user).delete()
        drop_factor(user, "all", actor=actor)
        end_all_sessions(user=user, actor=actor, reason="second_factor_reset")
    return True


@dataclass(frozen=True, slots=True)
class Factors:
    totp: bool
    passkeys: list[Passkey]
    recovery_codes_left: int


def factors_of(user: User) -> Factors:
    codes = RecoveryCode.objects.filter(user=user).unused()
    passkeys = list(Passkey.objects.filter(user=user).order_by("id"))
    return Factors(totp=has_totp(user), passkeys=passkeys, recovery_codes_left=codes.count())


def described(user: User) -> str:
    """Return the second factors of a user in a line, for staff."""
    if not user.mfa_enabled:
        return "–"
    device = TotpDevice.objects.filter(user=user).exclude(confirmed_at=None).first()
    since = f"{device.confirmed_at:%Y-%m-%d}" if device else None
    passkeys = Passkey.objects.filter(user=user).count()
    left = RecoveryCode.objects.filter(user=user).unused().count()
    parts = (
        since and _("authenticator app since %(date)s") % {"date": since},
        passkeys and _("%(number)d passkeys") % {"number": passkeys},
        _("%(left)d recovery codes left") % {"left": left},
    )
    return ", ".join(str(part) for part in parts if part)
