from typing import Any

from django.contrib.auth.management.commands.createsuperuser import Command as CreateSuperuser
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import IntegrityError


class Command(CreateSuperuser):
    """Django's, with one clear line instead of a traceback for an address that is taken or none."""

    help = "Create an admin. --noinput takes --email, --name and DJANGO_SUPERUSER_PASSWORD."

    def handle(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().handle(*args, **options)
        except ValidationError as error:
            raise CommandError(f"email: {error.messages[0]}") from error
        except IntegrityError as error:
            raise CommandError("email: an account with this email exists.") from error
