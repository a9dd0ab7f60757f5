"""An authenticator app that is added in the admin, whose sessions are Django's."""

from uuid import UUID

from django.db import transaction

from accounts.mfa.services.factors import Enrolment, confirm_totp, enrolment_of, pending_totp, store_secret
from accounts.models import User
from accounts.services.passwords import check_current_password, refuse_replaced
from accounts.services.recovery import lock_user
from core.web.errors import ApiError


def begin(*, user: User, device_id: str | None) -> Enrolment:
    """Return the secret of the device that this browser session has begun, or a new one. A secret that another session
    has begun is not shown. Raise AlreadyEnrolled."""
    with transaction.atomic():
        lock_user(user)
        device = pending_totp(user)
        if device is not None and device_id is not None and device.pk == UUID(device_id):
            return enrolment_of(device)
        return store_secret(user)


def finish(*, user: User, password: str, code: str) -> list[str]:
    """Enable the app by the password and its first code, and return ten recovery codes. Raise FieldError (password),
    and as `confirm_totp`."""
    check_current_password(user, password, field="password")
    verified, epoch = user.password, user.session_epoch

    def require() -> None:
        refuse_replaced(user, verified, field="password")
        if user.session_epoch != epoch:  # a log-out everywhere has ended the browser session
            raise ApiError("TOKEN_REVOKED")

    return confirm_totp(user=user, code=code, require=require)
