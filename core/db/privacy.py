"""Everything held about a person, gathered from the apps that hold it (GDPR, article 15 and 20)."""

from collections.abc import Callable
from typing import Any

from django.db import models

Section = Callable[[Any], Any]
sections: dict[str, Section] = {}

EXPORT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "One section for each part of the system that holds something.",
    "additionalProperties": True,
    "examples": [{"account": {"email": "ada@example.com", "name": "Ada Lovelace"}, "resources": []}],
}


covered: set[type[models.Model]] = set()


def exports(name: str, *held_in: type[models.Model]) -> Callable[[Section], Section]:
    """Register a function from a user to what this part of the system holds about them, as JSON values.

    `held_in` names the models that it covers; a test compares these with every foreign key to a user.
    """

    def register(section: Section) -> Section:
        sections[name] = section
        covered.update(held_in)
        return section

    return register


def export_of(user: Any) -> dict[str, Any]:
    return {name: section(user) for name, section in sections.items()}
