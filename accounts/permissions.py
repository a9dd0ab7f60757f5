from typing import Any

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request


class IsAdmin(IsAuthenticated):
    """Permission for users with the role `admin`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and bool(request.user.is_superuser)
