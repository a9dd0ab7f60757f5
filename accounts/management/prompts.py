"""Prompts of the commands about accounts."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import passwords
from core.web.errors import ApiError
from core.web.prompts import typed

MAX_TRIES = 3


@contextmanager
def named_refusals() -> Iterator[None]:
    """Raise CommandError with the fields and messages of an ApiError."""
    try:
        yield
    except ApiError as refusal:
        problems = [f"{problem['field']}: {problem['message']}" for problem in refusal.details]
        raise CommandError(" ".join(problems) or refusal.message) from refusal


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
