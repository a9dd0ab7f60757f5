"""Demo data: an admin, a user, thirty resources with tags."""

from datetime import timedelta
from itertools import cycle, islice
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from core.web.demo import DEMO_ADMIN, DEMO_PASSWORD, DEMO_USER
from resources.models import Resource
from resources.services import create_resource

COUNT = 30
TOPICS = (
    (
        "Ada Lovelace",
        "Notes on the Analytical Engine, and the first published program.",
        ["history", "people"],
    ),
    ("Grace Hopper", "A compiler is a translator that never tires.", ["history", "people", "compilers"]),
    ("Café opening hours", "Espresso from seven, crème brûlée after twelve.", ["food"]),
    ("Quarterly report", "Figures, assumptions, and what surprised us.", ["work", "numbers"]),
    ("Onboarding checklist", "Laptop, accounts, first small change, lunch.", ["work", "people"]),
    ("Sourdough", "Flour, water, salt, time.", ["food", "recipes"]),
)


class Command(BaseCommand):
    help = (
        "Load demo data into an empty database, once. Refuses while DEBUG is off: its passwords are public."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("DEBUG is off: the demo logins are public, so they are for development only.")
        if User.objects.exists():
            return
        with transaction.atomic():
            now = timezone.now()
            verified = {"email_verified_at": now}
            User.objects.create_superuser(DEMO_ADMIN, "Demo Admin", DEMO_PASSWORD)
            user = User.objects.create_user(DEMO_USER, "Demo User", DEMO_PASSWORD, **verified)
            for number, (title, content, tags) in enumerate(islice(cycle(TOPICS), COUNT)):
                create_resource(
                    user=user,
                    title=f"{title} {number // len(TOPICS) + 1}",
                    content=content,
                    status=Resource.Status.values[number % 3],
                    tags=tags,
                    created_at=now - timedelta(hours=COUNT - number),
                )
        self.stdout.write(f"Loaded demo data: 2 accounts, {COUNT} resources.")
