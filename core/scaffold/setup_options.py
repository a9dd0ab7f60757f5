"""The options of `manage.py setup`, each checked under its name; the same checks are for the lines of a prompt."""

from dataclasses import dataclass
from email.utils import formataddr

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.core.validators import validate_email
from environs import EnvError

from core.scaffold.licence import KINDS
from core.web.environment import parse_sender
from core.web.text import ascii_domain, refuse_mark_runs

MAX_NAME = 60
MAX_HOLDER = 100
MAX_ADDRESS = 254  # RFC 5321, 4.5.3.1.3, without the brackets


@dataclass(frozen=True)
class Chosen:
    """Values of the options, checked."""

    name: str
    sender: str
    licence: str
    holder: str
    removes_example: bool


def checked_line(option: str, text: str, longest: int) -> str:
    """Return the text without spaces around it. Raises CommandError unless it is one line of visible characters."""
    if len(text) > longest:
        raise CommandError(f"{option}: at most {longest} characters.")
    line = text.strip()
    if not line or not line.isprintable():
        raise CommandError(f"{option}: one line, without control characters, that is not empty.")
    try:
        refuse_mark_runs(line)
    except ValidationError as error:
        raise CommandError(f"{option}: {error.message % error.params}") from error
    return line


def checked_name(text: str) -> str:
    return checked_line("--name", text, MAX_NAME)


def checked_holder(text: str) -> str:
    return checked_line("--holder", text, MAX_HOLDER)


def checked_sender(text: str) -> str:
    """Return the address as a From header has it, its domain in ASCII. Raises CommandError."""
    address = checked_line("--sender", text, MAX_ADDRESS)
    local, _, domain = address.rpartition("@")
    try:
        validate_email(address)
        encoded = f"{local}@{ascii_domain(domain)}"
        parse_sender(formataddr(("", encoded)))
    except (ValidationError, ValueError, EnvError) as error:
        raise CommandError("--sender: one email address, such as noreply@example.com.") from error
    return encoded


def checked_licence(text: str) -> str:
    if text not in KINDS:
        raise CommandError(f"--licence: one of {', '.join(KINDS)}.")
    return text


def checked_yes(text: str) -> str:
    if text not in {"yes", "no"}:
        raise CommandError("Type yes or no.")
    return text
