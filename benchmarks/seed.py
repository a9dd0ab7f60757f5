"""Fill a database for benchmarks: many users with one password, many resources, tags (`python -m benchmarks.seed`)."""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from itertools import islice
from time import monotonic
from typing import Any

import django
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils import timezone

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()

from accounts.models import User
from accounts.services.passwords import check_rules, hash_password
from benchmarks.seeding import load_rows, seed_resources
from core.web.demo import DEMO_PASSWORD
from core.web.errors import ApiError
from resources.models import Resource, ResourceTag, Tag

EMAIL = "seed{:04d}@example.com"
HEAVY_EMAIL = "seed-heavy@example.com"
MAX_RESOURCES = 10_000_000
USERS_AT_ONCE = 1_000


def number(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ArgumentTypeError(f"must be a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return parse


class Command(BaseCommand):
    help = (
        "Create users seed0001@example.com, seed0002@example.com, … with one password, and generated resources. "
        "A second run adds missing rows and changes no others. Everybody who knows the password can log in "
        "to these accounts: never leave them on a server that others can reach. No audit events are written, because "
        "no user did anything."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--users", type=number(0, 1_000_000), default=10, help="how many (default 10)")
        parser.add_argument(
            "--resources", type=number(0, MAX_RESOURCES), default=200, help="for each user (default 200)"
        )
        parser.add_argument("--tags", type=number(0, 20), default=2, help="for each resource (default 2)")
        parser.add_argument(
            "--heavy",
            type=number(0, MAX_RESOURCES),
            default=0,
            help=f"as many more for one user, {HEAVY_EMAIL}",
        )
        parser.add_argument(
            "--seed", type=number(0, MAX_RESOURCES), default=1, help="other texts for another number"
        )
        parser.add_argument(
            "--password", help="of all these users; with DEBUG the demo's by default, without it required"
        )

    def handle(
        self,
        *,
        users: int,
        resources: int,
        tags: int,
        heavy: int,
        seed: int,
        password: str | None,
        **_: Any,
    ) -> None:
        if password is None:
            if not settings.DEBUG:
                raise CommandError(
                    "DEBUG is off: name a --password. Anyone who knows it can log in as any of these users."
                )
            password = DEMO_PASSWORD
        if users * resources + heavy > MAX_RESOURCES:
            raise CommandError(f"That would be more than {MAX_RESOURCES} resources.")
        started = monotonic()
        emails = [EMAIL.format(index + 1) for index in range(users)] + ([HEAVY_EMAIL] if heavy else [])
        users_by_email, fresh = ensure_users(emails, password)
        counts = [(users_by_email[email], heavy if email == HEAVY_EMAIL else resources) for email in emails]
        stored = 0
        for count in seed_resources(counts, seed, tags):
            stored += count
        refresh_statistics()
        self.stdout.write(
            f"Stored {fresh} users and {stored} resources in {monotonic() - started:.1f} s; there were "
            f"{len(emails) - fresh} of these users (their passwords stay) and "
            f"{users * resources + heavy - stored} of these resources already."
        )


def ensure_users(emails: list[str], password: str) -> tuple[dict[str, User], int]:
    """Return the users of these addresses that are not deleted, and how many of them are new.

    Hashing takes long by design, so one hash serves all: each of them logs in with this password.
    """
    existing: dict[str, User] = {}
    remaining = iter(emails)
    while batch := list(islice(remaining, USERS_AT_ONCE)):
        existing |= {user.email: user for user in User.objects.not_deleted().filter(email__in=batch)}
    missing = [email for email in emails if email not in existing]
    if missing:
        now = timezone.now()
        made = [User(email=email, name=name_of(email), email_verified_at=now) for email in missing]
        try:
            check_rules(password, made[0], "password")
        except ApiError as error:
            reasons = " ".join(detail["message"] for detail in error.details)
            raise CommandError(f"--password is refused by the rules for passwords: {reasons}") from error
        secret = hash_password(password)
        for user in made:
            user.password = secret
            user.updated_at = user.created_at
            user.index_words()
        with transaction.atomic():
            load_rows(made)
        existing |= {user.email: user for user in made}
    return existing, len(missing)


def name_of(email: str) -> str:
    return email.partition("@")[0].replace("-", " ").title()


def refresh_statistics() -> None:
    """Let PostgreSQL plan for the new size at once, and not after the next autovacuum."""
    with connection.cursor() as cursor:
        for model in (User, Resource, Tag, ResourceTag):
            cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")


if __name__ == "__main__":
    Command().run_from_argv(["python -m", "benchmarks.seed", *sys.argv[1:]])
