"""HMACs with Django's SECRET_KEY, and with SECRET_KEY_FALLBACKS while keys are rotated.

Write with the first. The others match values that another server has written with another key.
"""

from collections.abc import Iterable

from django.conf import settings
from django.utils.crypto import salted_hmac


def secrets() -> list[str]:
    """Return the keys, SECRET_KEY first."""
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def digests(salt: str, value: str, keys: Iterable[str] | None = None) -> list[bytes]:
    """Return the HMAC-SHA256 of a value with each key, by default those of `secrets`."""
    chosen = secrets() if keys is None else keys
    return [salted_hmac(salt, value, secret=key, algorithm="sha256").digest() for key in chosen]


def hexdigests(salt: str, value: str) -> list[str]:
    return [digest.hex() for digest in digests(salt, value)]
