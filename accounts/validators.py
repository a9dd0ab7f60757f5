"""Password rules, each with a code of its own for clients."""

import re
import unicodedata
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import UserAttributeSimilarityValidator
from django.core.exceptions import ValidationError

from core.web.text import normalize

MIN_PASSWORD, MAX_PASSWORD = 8, 128
# For log-in, which accepts passwords from before a change of the rules. It limits the work of hashing.
MAX_PASSWORD_INPUT = 1024
JOINERS = "\u200c\u200d"
NOT_WORD = re.compile(r"\W+")
SIGNS = re.compile(r"[\W_]+")


def refuse_control_characters(text: str) -> None:
    """Raise ValidationError for control and format characters (CR, LF, right-to-left overrides), which are unsafe in
    the headers of emails and in lists. The two joiners are allowed, because Persian and Indic names need them."""
    if any(
        unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        for char in set(text)
        if char not in JOINERS
    ):
        raise ValidationError("Control characters are not allowed.", code="invalid_characters")


def normalize_password(text: str) -> str:
    """Return the text in NFKC (NIST SP 800-63B, 5.1.1.2), so that a password is the same from any keyboard.

    Raise ValidationError for a text that is too long, or has too many combining marks in a row.
    """
    return normalize("NFKC", text, max_length=MAX_PASSWORD_INPUT)


class LengthValidator:
    """The length of 8 to 128 characters. Longer passwords are refused and not cut off."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) < MIN_PASSWORD:
            raise ValidationError(
                "At least %(min)d characters.", code="password_too_short", params={"min": MIN_PASSWORD}
            )
        if len(password) > MAX_PASSWORD:
            raise ValidationError(
                "At most %(max)d characters.", code="password_too_long", params={"max": MAX_PASSWORD}
            )

    def get_help_text(self) -> str:
        return f"{MIN_PASSWORD} to {MAX_PASSWORD} characters."


class CharacterClassValidator:
    def validate(self, password: str, user: Any = None) -> None:
        problems = []
        if not any(char.isupper() for char in password):
            problems.append(ValidationError("At least one upper-case letter.", code="password_no_upper"))
        if not any(char.isdigit() for char in password):
            problems.append(ValidationError("At least one digit.", code="password_no_digit"))
        if problems:
            raise ValidationError(problems)

    def get_help_text(self) -> str:
        return "At least one upper-case letter and one digit."


class PersonalDataValidator(UserAttributeSimilarityValidator):
    """The similarity to the email or the name. A short word of a name may be part of a long password."""

    def __init__(self) -> None:
        super().__init__(user_attributes=("email", "name"))

    def validate(self, password: str, user: Any = None) -> None:
        super().validate(password, user)
        if user is None:
            return
        flat = password.lower()
        for text in (user.email, user.name):
            words = [word for word in NOT_WORD.split(text.lower()) if len(word) >= 4]
            if any(word in flat and len(word) * 2 >= len(flat) for word in words):
                raise ValidationError("Too much like the email or the name.", code="password_too_similar")


class ProductNameValidator:
    """The name of the product, or a word of it, as half of the password or more, whatever the signs between."""

    def validate(self, password: str, user: Any = None) -> None:
        words = SIGNS.sub(" ", settings.PRODUCT_NAME.lower()).split()
        flat = SIGNS.sub("", password.lower())
        if any(word in flat and len(word) * 2 >= len(flat) for word in ("".join(words), *words)):
            raise ValidationError("Too much like the name of the product.", code="password_too_similar")

    def get_help_text(self) -> str:
        return "Not the name of the product."
