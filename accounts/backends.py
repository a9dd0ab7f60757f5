"""Password log-in for the admin, through the same lock-out as the API."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts.models import User
from accounts.services.passwords import InvalidCredentials, check_credentials


class LockoutBackend(ModelBackend):
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the user, or None for wrong credentials. Raise AccountLocked and AccountSuspended, which the form
        of the admin shows."""
        address = username or kwargs.get(User.USERNAME_FIELD)
        if address is None or password is None:
            return None
        try:
            return check_credentials(address, password)
        except InvalidCredentials:
            return None
