"""Demo data: an admin, a user, and what the `demo` modules of the apps load for that user."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from accounts.models import User
from core.web.demo import DEMO_ADMIN, DEMO_PASSWORD, DEMO_USER, loaders


class Command(BaseCommand):
    help = (
        "Load demo data into an empty database, once. Refuses while DEBUG is off: its passwords are public."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("DEBUG is off: the demo logins are public, so they are for development only.")
        if User.objects.exists():
            return
        autodiscover_modules("demo")
        with transaction.atomic():
            User.objects.create_superuser(DEMO_ADMIN, "Demo Admin", DEMO_PASSWORD)
            user = User.objects.create_user(
                DEMO_USER, "Demo User", DEMO_PASSWORD, email_verified_at=timezone.now()
            )
            for load in loaders.values():
                load(user)
        loaded = ", ".join(["2 accounts", *loaders])
        self.stdout.write(f"Loaded demo data: {loaded}.")
