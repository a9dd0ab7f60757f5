"""Demo data: thirty resources with tags."""

from datetime import timedelta
from itertools import cycle, islice
from typing import Any

from django.utils import timezone

from core.web import demo
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


@demo.loads("resources")
def load(user: Any) -> None:
    """Create resources of this user, one an hour."""
    now = timezone.now()
    for number, (title, content, tags) in enumerate(islice(cycle(TOPICS), COUNT)):
        create_resource(
            user=user,
            title=f"{title} {number // len(TOPICS) + 1}",
            content=content,
            status=Resource.Status.values[number % 3],
            tags=tags,
            created_at=now - timedelta(hours=COUNT - number),
        )
