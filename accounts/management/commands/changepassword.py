from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from accounts.addresses import lookup_email
from accounts.management.prompts import named_refusals, prompt_for_new_password
from accounts.models import User
from accounts.services import passwords
from core.web.prompts import utf8


class Command(BaseCommand):
    """The command `changepassword` with the rules and services of the API, which Django's own bypasses."""

    help = "Set a new password for an account. Its sessions, reset links and lock-out end, and its owner gets an email."
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", metavar="email", help="The address of the account.")

    def handle(self, *, username: str, **_options: Any) -> None:
        user = User.objects.with_email(lookup_email(utf8("email", username))).first()
        if user is None:
            raise CommandError(_("email: no account has the address %(email)s.") % {"email": username})
        self.stdout.write(_("Setting a new password for %(user)s.") % {"user": user})
        password = prompt_for_new_password(self, user)
        with named_refusals():
            passwords.set_password(user=user, password=password, actor=None)
        self.stdout.write(
            _("%(user)s has a new password, and has been logged out everywhere.") % {"user": user}
        )
