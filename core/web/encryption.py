"""Encryption of secrets that are read again, unlike passwords and tokens, which are hashed.

Fernet: AES-128 in CBC with an HMAC-SHA256. The keys are derived from ENCRYPTION_KEYS, or without them from SECRET_KEY
and SECRET_KEY_FALLBACKS. The first encrypts, all decrypt: `manage.py reencrypt` ends a rotation.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from core.web import keys


class UnknownKey(Exception):
    """The secret was encrypted under a key that is no longer configured, or a byte of it was changed."""


def cipher() -> MultiFernet:
    # Values may still be of SECRET_KEY, from before ENCRYPTION_KEYS was set.
    secrets = [*settings.ENCRYPTION_KEYS, *keys.secrets()]
    derived = keys.digests("core.encryption", "", secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])


def encrypt(secret: str) -> str:
    return cipher().encrypt(secret.encode()).decode()


def decrypt(encrypted: str) -> str:
    """Return the secret. Raise UnknownKey."""
    try:
        return cipher().decrypt(encrypted).decode()
    except InvalidToken as error:
        raise UnknownKey from error


def reencrypt(encrypted: str) -> str:
    """Return the secret encrypted under the first key. Raise UnknownKey."""
    try:
        return cipher().rotate(encrypted).decode()
    except InvalidToken as error:
        raise UnknownKey from error
