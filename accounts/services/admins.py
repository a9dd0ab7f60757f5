"""The rule that one admin who can log in is always left."""

from accounts.models import Role, User, UserQuerySet
from core.web.errors import ApiError


class LastAdmin(ApiError):
    code = "CONFLICT"

    def __init__(self) -> None:
        super().__init__(message="The last admin can be neither demoted, suspended nor deleted.")


def lock_admins(user: User) -> None:
    """Lock all admins if `user` is one. Call it before the row itself is locked: two admins who remove each other
    must lock in one order to avoid a deadlock."""
    if user.role == Role.ADMIN:
        list(admins().select_for_update())


def require_another_admin(user: User) -> None:
    """Raise LastAdmin without another one who can log in. Lock all admins, so that two cannot remove each other at
    once. An invited admin without a password does not count: the invitation may never be accepted."""
    others = [admin for admin in admins().select_for_update() if admin.pk != user.pk]
    if not any(admin.is_active and admin.has_usable_password() for admin in others):
        raise LastAdmin


def admins() -> UserQuerySet:
    return User.objects.not_deleted().filter(role=Role.ADMIN).order_by("pk")
