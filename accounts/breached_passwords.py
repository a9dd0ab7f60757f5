"""Passwords that are known from breaches of others, looked up in a service with the range API of Pwned Passwords.

The service gets the first five of forty characters of the password's SHA-1, which hundreds of thousands of passwords
share ("k-anonymity"), and returns the rest of all that it knows with this beginning. Padding hides how many they are.
"""

import hashlib
from typing import Any

import structlog
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.validators import normalize_password
from core.web.http_client import HttpClient, Limits, OutgoingError

PREFIX = 5
NOT_COUNTED = "0"  # the count of padding

log = structlog.get_logger(__name__)
# The operator has set the address, which may be a copy of the list in the own network.
client = HttpClient(
    "breached_passwords", allow_private=True, limits=Limits(connect=1, read=1.5, total=2, size=512 * 1024)
)


class BreachedPasswordValidator:
    """A password of a breach (NIST SP 800-63B, 3.1.1.2; ASVS 5.0, 6.2.12).

    A service that is away accepts every password, after two seconds at most: it must not end all registrations.
    """

    def __init__(self, url: str) -> None:
        """`url` is that of the service, which a prefix is added to, without a slash at its end."""
        self.url = url

    def validate(self, password: str, user: Any = None) -> None:
        if is_breached(password, self.url):
            raise ValidationError(
                _("This password is known from a breach of another service."), code="password_breached"
            )

    def get_help_text(self) -> str:
        return _("Not a password that is known from a breach.")


def is_breached(password: str, url: str) -> bool:
    """Return whether the service knows the password; False too if it does not respond. Call it outside transactions."""
    digest = hashlib.sha1(normalize_password(password).encode(), usedforsecurity=False).hexdigest().upper()
    try:
        response = client.request("GET", f"{url}/{digest[:PREFIX]}", headers={"Add-Padding": "true"})
    except OutgoingError:  # the client has logged and counted it
        return False
    if response.status != 200:
        log.warning("breach_lookup_refused", status=response.status)
        return False
    for line in response.body.decode("ascii", "replace").upper().splitlines():
        suffix, _separator, count = line.strip().partition(":")
        if suffix == digest[PREFIX:]:
            return count.strip() != NOT_COUNTED
    return False
