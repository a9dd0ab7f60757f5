"""Recovery of an account: it voids all open links.

Every new password, log-out everywhere, a detected reuse, a disowned session and a completed or undone change of
address call `void_open_links`. So a thief loses a prepared link by any recovery that the owner chooses.

A reset of the password, a disowned session, an undone change of address, a suspension and a deletion also call
`revoke_credentials`, which ends what else gives access, such as API keys. Who changes the password by the current one,
or logs out everywhere, retains the keys, because programs depend on them.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import OneTimeToken, Role, User
from core.audit import services as audit
from core.outbox.models import OutboxMessage
from core.web.errors import ApiError
from core.web.registry import Registry

Revoke = Callable[[User, UUID | None, str], None]
revocations: Registry[Revoke] = Registry()  # of `revoke_credentials`: (user, actor_id, reason)

# The purposes of links that set a password.
SETS_PASSWORD = (OneTimeToken.Purpose.PASSWORD_RESET, OneTimeToken.Purpose.INVITATION)


def lock_user(user: User) -> None:
    """Lock the row until the transaction ends, and read it again into `user`.

    Code that voids links and code that uses them both lock the user first, so that each sees the other's changes.
    """
    user.refresh_from_db(from_queryset=User.objects.select_for_update())


def refuse_outranked(user: User, actor: User | None) -> None:
    """Raise ApiError (FORBIDDEN) if `actor` may not change the account of `user` any more, after a change of either
    role. A command has no actor. The caller holds the row of `user`: the check before the lock, or before a slow hash,
    may be outdated."""
    if actor is None or actor.pk == user.pk:
        return
    current = User.objects.active().filter(pk=actor.pk).first()
    if current is None or not current.outranks(user):
        raise ApiError("FORBIDDEN", message=_("Only an admin may do this to staff."))


def require_admin(actor: User) -> None:
    """Raise ApiError (FORBIDDEN) unless `actor` is an admin now. An admin who is demoted during a request must not
    give roles or groups to others."""
    if not User.objects.active().filter(pk=actor.pk, role=Role.ADMIN).exists():
        raise ApiError("FORBIDDEN")


def void_open_links(*, user: User, actor_id: UUID | None) -> None:
    """Clear the pending address and delete unused reset links and invitations, with the queued emails for each.

    Links that undo a change of address stay valid, because a thief could void them too. The caller holds the row.
    """
    cancel_pending_email(user=user, actor_id=actor_id)
    user.one_time_tokens.filter(purpose__in=SETS_PASSWORD, used_at=None).delete()
    queued("accounts.password_reset", email=user.email).delete()
    queued("accounts.invitation", user=str(user.pk)).delete()


def revoke_credentials(*, user: User, actor_id: UUID | None, reason: str) -> None:
    """Revoke every credential of the user that is no session. The caller holds the row."""
    for revoke in revocations.values():
        revoke(user, actor_id, reason)


def cancel_pending_email(*, user: User, actor_id: UUID | None) -> bool:
    """Clear and save the pending address. Return False if none is pending. The caller holds the row."""
    pending = user.pending_email
    if pending is None:
        return False
    clear_pending_email(user)
    user.save_changes("pending_email")
    changes = {"pendingEmail": [pending, None]}
    audit.record("email.change_cancelled", actor_id=actor_id, target=user, changes=changes)
    return True


def clear_pending_email(user: User) -> None:
    """Clear the pending address, and delete its links and queued emails. The caller saves `pending_email`."""
    links = user.one_time_tokens.filter(purpose=OneTimeToken.Purpose.EMAIL_PROOF, used_at=None)
    links.filter(email=user.pending_email).delete()
    queued("accounts.email_proof", user=str(user.pk), email=user.pending_email).delete()
    user.pending_email = None


def queued(kind: str, **payload: Any) -> QuerySet[OutboxMessage]:
    """Return the unsent outbox messages of this kind whose payload has these values.

    A message that a worker has claimed may be deleted too: the worker reads its message again under the lock of the
    user (accounts/emails.py).
    """
    values = {f"payload__{name}": value for name, value in payload.items()}
    return OutboxMessage.objects.filter(kind=kind, status=OutboxMessage.Status.PENDING, **values)
