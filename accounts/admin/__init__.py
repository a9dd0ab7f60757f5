"""Users, their sessions and the groups of staff, in the admin."""

from accounts.admin.groups import GroupAdmin
from accounts.admin.sessions import SessionAdmin
from accounts.admin.users import UserAdmin

__all__ = ["GroupAdmin", "SessionAdmin", "UserAdmin"]
