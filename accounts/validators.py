"""The password rules of the contract, named so that a client can show each one."""

import re
import unicodedata
from typing import Any

from django.contrib.auth.password_validation import UserAttributeSimilarityValidator
from django.core.exceptions import ValidationError

from core.web.text import normalize

SHORTEST, LONGEST = 8, 128
# Log-in accepts what registration would refuse, so that old passwords still work; this only bounds the hashing.
MAX_PASSWORD_INPUT = 1024
JOINERS = "\u200c\u200d"


def refuse_control_characters(text: str) -> None:
    """Control and format characters (CR, LF, right-to-left overrides) have no place in a mail header or a list.
    Persian and Indic scripts need the two joiners to write a name at all."""
    if any(
        unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        for char in set(text)
        if char not in JOINERS
    ):
        raise ValidationError("Control characters are not allowed.", code="invalid_characters")


def normalize_password(text: str) -> str:
    """NFKC (NIST SP 800-63B, 5.1.1.2): the same password typed on another keyboard is the same password.

    Raises ValidationError for a text that is too long to be one, or has too many combining marks in a row.
    """
    return normalize("NFKC", text, max_length=MAX_PASSWORD_INPUT)


class LengthValidator:
    """8 to 128 characters. The upper bound is far above what bcrypt would cut off; nothing here is cut off."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) < SHORTEST:
            raise ValidationError(f"At least {SHORTEST} characters.", code="password_too_short")
        if len(password) > LONGEST:
            raise ValidationError(f"At most {LONGEST} characters.", code="password_too_long")

    def get_help_text(self) -> str:
        return f"{SHORTEST} to {LONGEST} characters."


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
    """Not like the email or the name. A short word of a name must not forbid every password that holds it."""

    def __init__(self) -> None:
        super().__init__(user_attributes=("email", "name"))

    def validate(self, password: str, user: Any = None) -> None:
        super().validate(password, user)
        if user is None:
            return
        flat = password.lower()
        for text in (user.email, user.name):
            words = [word for word in re.split(r"\W+", text.lower()) if len(word) >= 4]
            if any(word in flat and len(word) * 2 >= len(flat) for word in words):
                raise ValidationError("Too much like the email or the name.", code="password_too_similar")
