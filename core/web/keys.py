"""HMACs with Django's SECRET_KEY, and with SECRET_KEY_FALLBACKS while keys are rotated.

Write with the first. The others match values that another server has written with another key.
"""

from django.conf import settings
from django.utils.crypto import salted_hmac


def digests(salt: str, value: str) -> list[bytes]:
    """Return the HMAC-SHA256 of a value with each key, SECRET_KEY first."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [salted_hmac(salt, value, secret=key, algorithm="sha256").digest() for key in keys]


def hexdigests(salt: str, value: str) -> list[str]:
    return [digest.hex() for digest in digests(salt, value)]
