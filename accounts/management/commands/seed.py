"""Demo data: an admin, a user, and what the `demo` modules of the apps load for that user; more users on request."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from accounts.models import User
from core.web.demo import DEMO_ADMIN, DEMO_PASSWORD, DEMO_USER, loaders
from core.web.progress import Progress

MAX_USERS = 100_000


class Command(BaseCommand):
    help = (
        "Load demo data into an empty database, once, and with --users as many users with data of their own. "
        "Refuses while DEBUG is off: its passwords are public."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--users",
            type=int,
            default=0,
            help=f"make user-1@example.com to user-N@example.com too, at most {MAX_USERS:,}; those that exist stay",
        )

    def handle(self, *, users: int, **_options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("DEBUG is off: the demo logins are public, so they are for development only.")
        if not 0 <= users <= MAX_USERS:
            raise CommandError(f"--users must be 0 to {MAX_USERS:,}.")
        autodiscover_modules("demo")
        if not User.objects.exists():
            with transaction.atomic():
                User.objects.create_superuser(DEMO_ADMIN, "Demo Admin", DEMO_PASSWORD)
                load_user(DEMO_USER, "Demo User")
            self.stdout.write(f"Loaded demo data: {', '.join(['2 accounts', *loaders])}.")
        if users:
            self.stdout.write(
                f"Loaded {self.load_users(users)} more users: {', '.join(['accounts', *loaders])}."
            )

    def load_users(self, number: int) -> int:
        """Create the users that do not exist, each in a transaction, and return their number."""
        names = {f"user-{count}@example.com": f"User {count}" for count in range(1, number + 1)}
        existing = set(User.objects.filter(email__startswith="user-").values_list("email", flat=True))
        missing = {email: name for email, name in names.items() if email not in existing}
        with Progress(self.stdout, "users", len(missing)) as progress:
            for done, (email, name) in enumerate(missing.items(), start=1):
                with transaction.atomic():
                    load_user(email, name)
                progress(done)
        return len(missing)


def load_user(email: str, name: str) -> None:
    """Create a user whose password is DEMO_PASSWORD, with the rows of every app's `demo` module."""
    user = User.objects.create_user(email, name, DEMO_PASSWORD, email_verified_at=timezone.now())
    for load in loaders.values():
        load(user)
