import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from accounts.management.prompts import named_refusals, prompt_for_new_password
from accounts.models import User
from accounts.serializers import RegisterSerializer
from accounts.services import accounts, email_changes
from core.web.prompts import prompt_for, require_terminal, utf8


class Command(BaseCommand):
    """The command `createsuperuser` with the rules and services of the API, which Django's own bypasses."""

    help = (
        "Create an admin. It prompts for missing options. With --noinput they are read from "
        "DJANGO_SUPERUSER_EMAIL, DJANGO_SUPERUSER_NAME and DJANGO_SUPERUSER_PASSWORD."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", help="The address to log in with. It counts as verified.")
        parser.add_argument("--name", help="The name of the person.")
        parser.add_argument(
            "--noinput", "--no-input", action="store_false", dest="interactive", help="Do not prompt."
        )

    def handle(
        self, *, interactive: bool, email: str | None, name: str | None, verbosity: int, **_options: Any
    ) -> None:
        if interactive:
            require_terminal()
        values = {
            "email": self.value("email", email, interactive),
            "name": self.value("name", name, interactive),
        }
        if interactive:
            password = prompt_for_new_password(self, User(**values))
        else:
            password = from_environment("password", "DJANGO_SUPERUSER_PASSWORD")
        with named_refusals():
            user = accounts.create_admin(**values, password=password)
        if verbosity:
            self.stdout.write(_("Created the admin %(user)s.") % {"user": user})

    def value(self, name: str, given: str | None, interactive: bool) -> str:
        """Return the value of the option, the prompt or the environment. Raise CommandError with the field."""
        if given is not None:
            return checked(name, utf8(name, given))
        if interactive:
            return prompt_for(self, f"{name.capitalize()}: ", lambda text: checked(name, text))
        return checked(name, from_environment(f"--{name}", f"DJANGO_SUPERUSER_{name.upper()}"))


def from_environment(what: str, variable: str) -> str:
    if variable not in os.environ:
        raise CommandError(_("%(what)s: set %(variable)s.") % {"what": what, "variable": variable})
    return utf8(variable, os.environ[variable])


def checked(name: str, text: str) -> str:
    """Validate by the rules of the API. Raise CommandError."""
    serializer = RegisterSerializer(data={name: text}, partial=True)
    if not serializer.is_valid():
        raise CommandError(f"{name}: {' '.join(map(str, serializer.errors[name]))}")
    value: str = serializer.validated_data[name]
    if name == "email" and User.objects.with_email(value).exists():
        raise CommandError(f"email: {email_changes.EmailTaken().message}")
    return value
