"""Prompts of management commands, at a terminal."""

import sys
from collections.abc import Callable

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _


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
    """Read a line until `check` accepts it. Raise CommandError without a terminal."""
    require_terminal()
    while True:
        text = typed(input, prompt)
        try:
            return check(text)
        except CommandError as refusal:
            command.stderr.write(str(refusal))
