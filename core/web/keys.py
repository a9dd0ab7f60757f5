"""HMACs under Django's SECRET_KEY, and under the other keys that SECRET_KEY_FALLBACKS accepts while keys are replaced.

What is written is written under the first. What another server has written under another key is found by the others.
"""

from django.conf import settings
from django.utils.crypto import salted_hmac


def digests(salt: str, value: str) -> list[bytes]:
    """Return the HMAC-SHA256 of a value under each key, that of SECRET_KEY first."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [salted_hmac(salt, value, secret=key, algorithm="sha256").digest() for key in keys]


def hexdigests(salt: str, value: str) -> list[str]:
    return [digest.hex() for digest in digests(salt, value)]
