"""What a recovery of an account voids: every open way in but the password that has just been set.

A password set by any path, log-out everywhere, a detected reuse and a completed or undone change of address all call
`void_open_links`. So a thief who has prepared one way in loses it by whichever recovery the owner chooses.
"""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import OneTimeToken, Role, User
from core.audit import services as audit
from core.outbox.models import OutboxMessage
from core.web.errors import ApiError


def lock_user(user: User) -> None:
    """Lock the row until the transaction ends, and read it again into `user`.

    What voids a way in and what uses one both lock the user first, so that neither overlooks the other.
    """
    user.refresh_from_db(from_queryset=User.objects.select_for_update())


def refuse_outranked(user: User, actor: User | None) -> None:
    """Raise ApiError (FORBIDDEN) where `actor` may not act on the account of `user`: it has a higher role by now, or
    the actor a lower one. A command has no actor. The caller holds the row of `user`, so that what was checked
    before the lock, or before a slow hash, is checked as it is now."""
    if actor is None or actor.pk == user.pk:
        return
    current = User.objects.alive().filter(pk=actor.pk).first()
    if current is None or not current.outranks(user):
        raise ApiError("FORBIDDEN", message=_("Only an admin may do this to staff."))


def require_admin(actor: User) -> None:
    """Raise ApiError (FORBIDDEN) unless `actor` is an admin now. Roles and groups give power, which an admin who is
    demoted during a request must not hand out."""
    if not User.objects.alive().filter(pk=actor.pk, role=Role.ADMIN).exists():
        raise ApiError("FORBIDDEN")


def void_open_links(*, user: User, actor_id: UUID | None) -> None:
    """Clear the pending address and delete unused reset links, with the emails that would bring either.

    Links that undo a change of address stay: the thief could void them too. The caller holds the row.
    """
    cancel_pending_email(user=user, actor_id=actor_id)
    user.one_time_tokens.filter(purpose=OneTimeToken.Purpose.PASSWORD_RESET, used_at=None).delete()
    queued("accounts.password_reset", email=user.email).delete()


def cancel_pending_email(*, user: User, actor_id: UUID | None) -> bool:
    """Clear the pending address as a change of its own. False when none is pending. The caller holds the row."""
    pending = user.pending_email
    if pending is None:
        return False
    clear_pending_email(user)
    user.save_changes("pending_email")
    changes = {"pendingEmail": [pending, None]}
    audit.record("email.change_cancelled", actor_id=actor_id, target=user, changes=changes)
    return True


def clear_pending_email(user: User) -> None:
    """Delete its unused links too, and the emails that would bring one. The caller saves `pending_email`."""
    links = user.one_time_tokens.filter(purpose=OneTimeToken.Purpose.EMAIL_PROOF, used_at=None)
    links.filter(email=user.pending_email).delete()
    queued("accounts.email_proof", user=str(user.pk), email=user.pending_email).delete()
    user.pending_email = None


def queued(kind: str, **payload: Any) -> QuerySet[OutboxMessage]:
    """Return the unsent outbox messages of this kind whose payload has these values.

    Where one is deleted that a worker has claimed already, the worker notices: it looks for its message again under
    the lock of the user (accounts/emails.py).
    """
    values = {f"payload__{name}": value for name, value in payload.items()}
    return OutboxMessage.objects.filter(kind=kind, status=OutboxMessage.Status.PENDING, **values)
