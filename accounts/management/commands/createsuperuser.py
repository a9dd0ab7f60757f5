from typing import Any

from django.contrib.auth.management.commands.createsuperuser import Command as CreateSuperuser
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import IntegrityError, transaction

from accounts.models import User
from core import audit


class Command(CreateSuperuser):
    """Django's, with one clear line instead of a traceback for an address that is taken or none."""

    help = "Create an admin. --noinput takes --email, --name and DJANGO_SUPERUSER_PASSWORD."

    def handle(self, *args: Any, **options: Any) -> str | None:
        try:
            with transaction.atomic():
                printed = super().handle(*args, **options)
                made = User.objects.latest("id")
                audit.record("user.created", target=made, changes={"role": [None, made.role]})
        except ValidationError as error:
            raise CommandError(f"email: {error.messages[0]}") from error
        except IntegrityError as error:
            raise CommandError("email: an account with this email exists.") from error
        return printed
