"""Objects in the OpenAPI document as `fields` and `include` show them."""

import copy
from typing import Any

from drf_spectacular.plumbing import ResolvedComponent

from core.web.error_schemas import Schema, part_of_object, register


def suffix_of(operation: Any) -> str:
    """Return a suffix for the names of components: two viewsets with one serializer may include other relations."""
    shows_objects = operation.is_list() or operation.is_single_read()
    return "".join(
        f"With{name[0].upper()}{name[1:]}" for name in (operation.view.includes if shows_objects else ())
    )


def part_of(operation: Any, name: str, suffix: str) -> Schema:
    """Return the component as `fields` narrows it, and `include` extends it. `operation` is an AutoSchema."""
    schema = copy.deepcopy(operation.registry[name, ResolvedComponent.SCHEMA].schema)
    for include, serializer_class in operation.view.includes.items():
        included = operation.resolve_serializer(serializer_class(), "response").ref
        schema["properties"][include] = {"anyOf": [included, {"type": "null"}]}
    component = f"{name}{suffix}{suffix_of(operation)}"
    return register(operation.registry, ResolvedComponent.SCHEMA, component, part_of_object(schema))
