"""One canonical form of an email address, computed here and unique in the database."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

from core.web.text import ascii_domain, normalize, unicode_domain

LONGEST = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
LONGEST_LOCAL = 64
INVISIBLE = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
_validate = EmailValidator()


def canonical_email(text: str) -> str:
    """Trimmed, NFKC, lower case, domain in its ASCII form (IDNA 2008). Idempotent.

    Two spellings that a mail server or a person could take for one address give one account. Letters outside
    ASCII before the @ are refused after NFKC instead of being folded: upper-casing or casefolding them maps
    different addresses onto each other (CVE-2019-19844). Raises django's ValidationError.
    """
    text = normalize("NFKC", text.strip(), max_length=LONGEST)
    local, at, domain = text.rpartition("@")
    if not at or INVISIBLE.search(text) or not local.isascii() or len(local) > LONGEST_LOCAL:
        raise ValidationError("Enter a valid email address.", code="invalid")
    try:
        address = f"{local.lower()}@{ascii_domain(domain.lower())}"
    except ValueError as error:
        raise ValidationError("Enter a valid email address.", code="invalid") from error
    if len(address) > LONGEST:
        raise ValidationError(f"At most {LONGEST} characters.", code="max_length")
    _validate(address)
    return address


def lookup_email(text: str) -> str:
    """The canonical form for finding an account; for what is no address, itself: it belongs to nobody."""
    try:
        return canonical_email(text)
    except ValidationError:
        return text.strip().lower()


def readable_email(address: str) -> str:
    """Return a canonical address with its domain in the script of its language, as people write it."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{unicode_domain(domain)}"
