"""The second factor in the admin: a log-in needs it, and so does each session."""

from typing import Any

from django.http import HttpRequest

PROVEN = "second_factor"


def note_log_in(request: HttpRequest) -> None:
    """Write into the session whether its log-in was with a second factor. The form has verified the code of the user
    who has one, as the user was then: one who got it since has to log in again."""
    user: Any = request.user
    request.session[PROVEN] = user.mfa_enabled


def is_proven(request: HttpRequest) -> bool:
    """Return whether the session is as strong as its user is now."""
    user: Any = request.user
    return not user.mfa_enabled or bool(request.session.get(PROVEN))
