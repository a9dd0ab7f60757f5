"""The sections of the personal-data export that apps register in their `privacy.py`; see core/api/personal_data.py."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import models

from core.web.registry import Registry

Section = Callable[[Any], Any]
sections: Registry[Section] = Registry()
covered: set[type[models.Model]] = set()

EXPORT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "One section for each part of the system that holds something.",
    "additionalProperties": True,
    "examples": [{"account": {"email": "ada@example.com", "name": "Ada Lovelace"}, "resources": []}],
}


def exports(name: str, *held_in: type[models.Model]) -> Callable[[Section], Section]:
    """Register a function from a user to what this part of the system holds about them, as JSON values.

    `held_in` names the models that it covers; they have no section by themselves.
    """
    covered.update(held_in)
    return partial(sections.register, name)
