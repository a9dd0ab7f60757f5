"""Everything held about a person, gathered from the apps that hold it (GDPR, article 15 and 20)."""

from collections.abc import Callable
from typing import Any

Section = Callable[[Any], Any]
sections: dict[str, Section] = {}


def exports(name: str) -> Callable[[Section], Section]:
    """Register a function from a user to what this part of the system holds about them, as JSON values."""

    def register(section: Section) -> Section:
        sections[name] = section
        return section

    return register


def export_of(user: Any) -> dict[str, Any]:
    return {name: section(user) for name, section in sections.items()}
