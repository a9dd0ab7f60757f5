"""Prompts of the commands about accounts."""

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import passwords
from core.web.errors import ApiError

MAX_TRIES = 3


@contextmanager
def named_refusals() -> Iterator[None]:
    """Raise CommandError with the fields and messages of an ApiError."""
    try:
        yield
    except ApiError as refusal:
        problems = [f"{problem['field']}: {problem['message']}" for problem in refusal.details]
        raise CommandError(" ".join(problems) or refusal.message) from refusal


def require_terminal() -> None:
    if not sys.stdin.isatty():
        raise CommandError(_("This is not a terminal. Use --noinput."))


def utf8(what: str, text: str) -> str:
    """Return the text. Raise CommandError if it was not UTF-8: Python reads such bytes as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CommandError(_("%(what)s: this is not valid UTF-8.") % {"what": what}) from error
    return text


def typed(read: Callable[[str], str], prompt: str) -> str:
    try:
        return utf8(prompt.rstrip(": "), read(prompt))
    except (EOFError, KeyboardInterrupt) as error:
        raise CommandError(_("Cancelled.")) from error


def prompt_for(command: BaseCommand, prompt: str, check: Callable[[str], str]) -> str:
    """Read a line until `check` accepts it."""
    while True:
        text = typed(input, prompt)
        try:
            return check(text)
        except CommandError as refusal:
            command.stderr.write(str(refusal))


def prompt_for_new_password(command: BaseCommand, user: User) -> str:
    """Read a password twice, until both are equal and valid. Raise CommandError after MAX_TRIES."""
    for _try in range(MAX_TRIES):
        password = typed(getpass.getpass, _("Password: "))
        if password != typed(getpass.getpass, _("Password (again): ")):
            command.stderr.write(_("The passwords are not the same."))
            continue
        try:
            with named_refusals():
                passwords.check_rules(password, user, "password")
        except CommandError as refusal:
            command.stderr.write(str(refusal))
            continue
        return password
    raise CommandError(_("No password was set."))
