"""One canonical form of an email address, computed here and unique in the database."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

from core.web.text import ascii_domain, normalize, unicode_domain

MAX_EMAIL = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
MAX_LOCAL = 64
INVISIBLE = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
_validate = EmailValidator()


def canonical_email(text: str) -> str:
    """Return the address trimmed, in NFKC and lower case, with the domain in ASCII (IDNA 2008). Idempotent.

    So one address has one account, in any spelling. Letters outside ASCII before the @ are refused after NFKC and not
    folded, because upper() and casefold() can make different addresses equal (CVE-2019-19844). Raise Django's
    ValidationError.
    """
    text = normalize("NFKC", text.strip(), max_length=MAX_EMAIL)
    local, at, domain = text.rpartition("@")
    if not at or INVISIBLE.search(text) or not local.isascii() or len(local) > MAX_LOCAL:
        raise ValidationError("Enter a valid email address.", code="invalid")
    try:
        address = f"{local.lower()}@{ascii_domain(domain.lower())}"
    except ValueError as error:
        raise ValidationError("Enter a valid email address.", code="invalid") from error
    if len(address) > MAX_EMAIL:
        raise ValidationError(f"At most {MAX_EMAIL} characters.", code="max_length")
    _validate(address)
    return address


def lookup_email(text: str) -> str:
    """Return the canonical form for a query, or an invalid address itself, which no account has."""
    try:
        return canonical_email(text)
    except ValidationError:
        return text.strip().lower()


def readable_email(address: str) -> str:
    """Return a canonical address with its domain in Unicode."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{unicode_domain(domain)}"
