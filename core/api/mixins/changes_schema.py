"""The change feed in the OpenAPI document."""

from typing import Any

from drf_spectacular.plumbing import ResolvedComponent

from core.api.includes import fields_parameter
from core.api.pagination import CURSOR_META, DEFAULT_LIMIT, MAX_LIMIT, integer_parameter
from core.web.error_schemas import UUID, Schema, object_of, part_of_object, register

OWN_PARAMETERS: list[Schema] = [
    {
        "name": "cursor",
        "in": "query",
        "required": False,
        "description": "`nextCursor` of the response before. Empty, or left out, begins with all that is there.",
        "schema": {"type": "string"},
    },
    integer_parameter(
        "limit",
        1,
        MAX_LIMIT,
        f"How many changes a page holds; {DEFAULT_LIMIT} by default. A page may hold fewer.",
    ),
]
FEED_META = object_of(
    {
        "limit": CURSOR_META["properties"]["limit"],
        "nextCursor": {
            "type": "string",
            "description": "Never null. Store it with the changes, and request with it what has changed later.",
            "examples": ["WyIiLDBd:1wN4Xk:Zb2m0fYk3h1q"],
        },
    },
    description="Of a change feed.",
)


def feed_parameters(view: Any) -> list[Schema]:
    return [*OWN_PARAMETERS, fields_parameter(view)]


def changes_page(schema: Any) -> Schema:
    """Return the schema of the changes of a view that is a ChangesViewSet."""
    name = schema.resolve_serializer(schema.view.get_serializer_class(), "response").name
    whole = schema.registry[name, ResolvedComponent.SCHEMA].schema
    part = register(schema.registry, ResolvedComponent.SCHEMA, f"{name}InFeed", part_of_object(whole))
    kinds = {
        f"{name}Upsert": object_of(
            {"type": {"type": "string", "const": "upsert"}, "object": part},
            description="The object is there, as it is now.",
        ),
        f"{name}Deletion": object_of(
            {
                "type": {"type": "string", "const": "delete"},
                "id": UUID,
                "deletedAt": {"type": "string", "format": "date-time"},
            },
            description="The object is gone: in the trash, deleted for good, or another user's.",
        ),
    }
    refs = [register(schema.registry, ResolvedComponent.SCHEMA, *kind) for kind in kinds.items()]
    change = register(schema.registry, ResolvedComponent.SCHEMA, f"{name}Change", {"oneOf": refs})
    return {"type": "array", "items": change}
