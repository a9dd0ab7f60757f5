"""Re-authentication before what is sensitive: the current password in the request, or the step-up of its session.

`POST /auth/step-up` starts a step-up with any of the registered proofs. It ends after STEP_UP_LIFETIME, with its
session and with each new password. A log-in starts none, because a session may be stolen long after it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone
from rest_framework.serializers import Field

from accounts.models import Session, User
from accounts.services.passwords import check_current_password, refuse_replaced
from accounts.services.recovery import lock_user
from accounts.services.sessions import TokenRevoked
from core.audit import services as audit
from core.web.errors import ApiError
from core.web.registry import Registry

STEP_UP_LIFETIME = timedelta(minutes=10)


class StepUpRequired(ApiError):
    code = "STEP_UP_REQUIRED"


class Proof(NamedTuple):
    """A value by which a caller proves to be the owner of the session.

    `field` makes its field of the request, which is not required. `verify` raises ApiError for a wrong value, and
    counts it. It is called outside of a transaction, so that the count remains.
    """

    field: Callable[[], Field]
    verify: Callable[[Session, Any], None]


proofs: Registry[Proof] = Registry()  # by the name of the field


def verify_password(session: Session, password: str) -> None:
    check_current_password(session.user, password)


def step_up(*, session: Session, values: Mapping[str, Any]) -> None:
    """Start a step-up by these values of registered proofs, at least one. Raise as their `verify`, and TokenRevoked if
    the session has ended meanwhile."""
    if not values:
        raise StepUpRequired
    user = session.user
    for name, value in values.items():
        proofs[name].verify(session, value)
    verified = user.password
    with transaction.atomic():
        lock_user(user)
        refuse_replaced(user, verified)
        own = user.sessions.live().filter(pk=session.pk)
        if not own.update(step_up_expires_at=timezone.now() + STEP_UP_LIFETIME):
            raise TokenRevoked
        audit.record(
            "session.stepped_up", actor_id=user.pk, target=session, changes={"proofs": [[], sorted(values)]}
        )


def is_stepped_up(session: Session) -> bool:
    own = Session.objects.live().filter(pk=session.pk)
    return own.filter(step_up_expires_at__gt=timezone.now()).exists()


@dataclass(frozen=True, slots=True)
class Reauthentication:
    """The result of `reauthenticate`: the verified hash of the password, or None for a step-up."""

    session: Session
    password_hash: str | None

    def confirm(self, user: User) -> None:
        """Raise ApiError if the password was replaced, or the step-up has ended, since `reauthenticate`. Call it in the
        transaction of the change, which holds the row of `user`."""
        refuse_replaced(user, self.password_hash)
        if self.password_hash is None and not is_stepped_up(self.session):
            raise StepUpRequired


def reauthenticate(*, session: Session, password: str | None) -> Reauthentication:
    """Verify the current password if there is one, or else the step-up of the session. Call it before the transaction
    of the change, because a wrong password must be counted. Raise FieldError, AccountLocked, StepUpRequired."""
    if password is not None:
        verify_password(session, password)
        return Reauthentication(session, session.user.password)
    if not is_stepped_up(session):
        raise StepUpRequired
    return Reauthentication(session, None)
