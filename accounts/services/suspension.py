"""Suspension of an account: it cannot log in until it is unsuspended. Its data stays."""

from django.db import transaction
from django.utils import timezone

from accounts.models import Role, Status, User
from accounts.services.admins import require_another_admin
from accounts.services.recovery import lock_user, refuse_outranked
from accounts.services.sessions import end_all_sessions
from core.audit import services as audit


def suspend(*, user: User, actor: User) -> bool:
    """Suspend the account, end its sessions and void its open links. Return False unless it was active.

    Code that opens a session holds the same row. So no session is opened after these have ended.
    Raise LastAdmin, and ApiError for a user of a higher role.
    """
    with transaction.atomic():
        lock_user(user)
        refuse_outranked(user, actor)
        if user.status != Status.ACTIVE:
            return False
        if user.role == Role.ADMIN:
            require_another_admin(user)
        end_all_sessions(user=user, actor=actor, reason="suspended")
        user.suspended_at = timezone.now()
        user.save_changes("suspended_at")
        changes = {"status": [Status.ACTIVE.value, Status.SUSPENDED.value]}
        audit.record("user.suspended", actor_id=actor.pk, target=user, changes=changes)
    return True


def unsuspend(*, user: User, actor: User) -> bool:
    """End the suspension. Return False unless the account was suspended. Raise ApiError for a user of a higher role."""
    with transaction.atomic():
        lock_user(user)
        refuse_outranked(user, actor)
        if user.status != Status.SUSPENDED:
            return False
        user.suspended_at = None
        user.save_changes("suspended_at")
        changes = {"status": [Status.SUSPENDED.value, Status.ACTIVE.value]}
        audit.record("user.unsuspended", actor_id=actor.pk, target=user, changes=changes)
    return True


SETTERS = {Status.ACTIVE: unsuspend, Status.SUSPENDED: suspend}


def set_status(*, user: User, status: str, actor: User) -> bool:
    """Suspend or unsuspend. Return False if the account has the status already. Raise as `suspend`."""
    return SETTERS[Status(status)](user=user, actor=actor)
