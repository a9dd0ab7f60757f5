"""Bulk operations in the OpenAPI document. What they do is in core/api/mixins/bulk.py."""

import copy
from typing import Any

from drf_spectacular.plumbing import ResolvedComponent

Schema = dict[str, Any]

MOST_OPERATIONS = 100
ID: Schema = {"type": "string", "format": "uuid"}
ETAG: Schema = {
    "type": "string",
    "description": "For If-Match, and for `ifMatch` of a later operation.",
    "examples": ['"v1"'],
}
IF_MATCH: Schema = {
    "type": "string",
    "description": "Only if the object still has this ETag.",
    "examples": ['"v1"'],
}


def variant(method: str, properties: Schema, *optional: str) -> Schema:
    properties = {"method": {"type": "string", "const": method}, **properties}
    required = [name for name in properties if name not in optional]
    return {"type": "object", "title": method.title(), "required": required, "properties": properties}


def bulk_request(schema: Any) -> Schema:
    """Of an operation whose view is a BulkViewSet."""
    serializer_class = schema.view.serializer_class
    new = schema.resolve_serializer(serializer_class, "request").ref
    changed = schema.resolve_serializer(serializer_class(partial=True), "request").ref
    existing = {"id": ID, "ifMatch": IF_MATCH}
    variants = [
        variant("create", {"data": new}),
        variant("update", {**existing, "data": changed}, "ifMatch"),
        variant("delete", existing, "ifMatch"),
    ]
    listed = {"type": "array", "minItems": 1, "maxItems": MOST_OPERATIONS, "items": {"oneOf": variants}}
    return {"type": "object", "required": ["operations"], "properties": {"operations": listed}}


def bulk_results(schema: Any) -> Schema:
    """One result for each operation, in their order."""
    component = schema.resolve_serializer(schema.view.serializer_class, "response")
    shown = copy.deepcopy(schema.registry[component.name, ResolvedComponent.SCHEMA].schema)["properties"]
    variants = [
        variant("create", {"etag": ETAG, **shown}),
        variant("update", {"etag": ETAG, **shown}),
        variant("delete", {"id": ID}),
    ]
    return {"type": "array", "minItems": 1, "maxItems": MOST_OPERATIONS, "items": {"oneOf": variants}}
