from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from accounts.addresses import lookup_email
from accounts.mfa.services.factors import reset_second_factor
from accounts.models import User
from core.web.prompts import utf8


class Command(BaseCommand):
    """The way back for an admin who has lost the phone and the recovery codes."""

    help = "Remove the second factor of an account. Its sessions end, and its owner gets an email."
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="The address of the account.")

    def handle(self, *, email: str, **_options: Any) -> None:
        user = User.objects.with_email(lookup_email(utf8("email", email))).first()
        if user is None:
            raise CommandError(_("email: no account has the address %(email)s.") % {"email": email})
        if not reset_second_factor(user=user, actor=None):
            raise CommandError(_("%(user)s has no second factor.") % {"user": user})
        self.stdout.write(
            _("%(user)s has no second factor any more, and has been logged out.") % {"user": user}
        )
