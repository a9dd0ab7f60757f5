"""Secrets that must be read again, encrypted at rest: Fernet with keys derived from SECRET_KEY.

    webhook.secret = encrypt("core.webhooks", secret)
    secret = decrypt("core.webhooks", webhook.secret)

A value belongs to a purpose, and cannot be decrypted for another. While a key is replaced, values under
SECRET_KEY_FALLBACKS are read too, and the hourly purge writes the columns that are declared by `reencrypts` under
SECRET_KEY.
"""

import base64
from typing import Any

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from core.web import keys

log = structlog.get_logger(__name__)

columns: list[tuple[Any, str, str]] = []


class Undecryptable(Exception):
    """The value was written under a key that is no longer known, or for another purpose."""


def cipher(purpose: str) -> MultiFernet:
    """Return the cipher of a purpose. It writes with SECRET_KEY and reads with each accepted key."""
    derived = keys.digests("core.encryption", purpose)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])


def encrypt(purpose: str, text: str) -> str:
    return cipher(purpose).encrypt(text.encode()).decode()


def decrypt(purpose: str, token: str) -> str:
    """Return the text. Raises Undecryptable."""
    try:
        return cipher(purpose).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise Undecryptable(f"not encrypted with an accepted key for {purpose}") from error


def reencrypts(model: Any, column: str, purpose: str) -> None:
    """Declare a column of encrypted values. Empty ones are left as they are."""
    columns.append((model, column, purpose))


def reencrypt() -> int:
    """Encrypt all declared values under SECRET_KEY that another accepted key has encrypted. Return their number.

    A value that has changed meanwhile is left as it is. So is one under a key that is no longer known.
    """
    number = 0
    if not settings.SECRET_KEY_FALLBACKS:
        return number
    for model, column, purpose in columns:
        newest, every = MultiFernet([Fernet(current_key(purpose))]), cipher(purpose)
        rows = model._base_manager.exclude(**{column: ""}).values_list("pk", column)
        for key, token in rows.iterator():
            if is_under(newest, token):
                continue
            try:
                value = every.rotate(token.encode()).decode()
            except InvalidToken:
                log.warning("secret_not_decryptable", model=model._meta.label, row=str(key))
                continue
            number += model._base_manager.filter(pk=key, **{column: token}).update(**{column: value})
    return number


def current_key(purpose: str) -> bytes:
    return base64.urlsafe_b64encode(keys.digests("core.encryption", purpose)[0])


def is_under(newest: MultiFernet, token: str) -> bool:
    try:
        newest.decrypt(token.encode())
    except InvalidToken:
        return False
    return True
