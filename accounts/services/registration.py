"""Permission to create accounts, by the setting REGISTRATION, and invitations to accounts that an admin has created."""

from django.conf import settings
from django.db import transaction

from accounts.models import User
from accounts.services.recovery import lock_user, refuse_outranked
from core.audit import services as audit
from core.outbox import services as outbox
from core.web.errors import ApiError

OPEN, INVITE, CLOSED = "open", "invite", "closed"


class RegistrationClosed(ApiError):
    code = "REGISTRATION_CLOSED"


def is_open() -> bool:
    """Return whether anybody may create an account."""
    return bool(settings.REGISTRATION == OPEN)


def is_closed() -> bool:
    """Return whether nobody may, except by a command of the operator."""
    return bool(settings.REGISTRATION == CLOSED)


def require_open_registration(actor: User | None = None) -> None:
    """Raise RegistrationClosed unless `actor` may create an account by the API. Without one it is a registration."""
    is_admin = actor is not None and actor.is_superuser
    if is_closed() or not (is_admin or is_open()):
        raise RegistrationClosed


def enqueue_invitation(user: User, actor: User | None) -> None:
    """Enqueue a link to set the first password, and record it. The caller is in a transaction."""
    payload = {"user": str(user.pk), "email": user.email}
    outbox.enqueue("accounts.invitation", payload, expires_in=settings.INVITATION_LIFETIME)
    audit.record("user.invited", actor_id=actor.pk if actor else None, target=user)


def invite_again(*, user: User, actor: User) -> bool:
    """Enqueue a new link, which replaces the one before when it is sent. Return False if the account has a password,
    or is not active. Raise ApiError for a user of a higher role."""
    with transaction.atomic():
        lock_user(user)
        refuse_outranked(user, actor)
        if user.has_usable_password() or not user.is_active:
            return False
        enqueue_invitation(user, actor)
    return True
