"""Bulk operations in the OpenAPI document, of a view that is a BulkViewSet."""

import copy
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from drf_spectacular.plumbing import ResolvedComponent

from core.web.error_schemas import UUID, Schema, object_of, text_of

MAX_OPERATIONS = 100
VERSION = text_of("For If-Match, and for `ifMatch` of a later operation.", "v1")
IF_MATCH = text_of("Only if the object still has this `version`, or this ETag.", "v1")


def variant(method: str, properties: Schema) -> Schema:
    properties = {"method": {"type": "string", "const": method}, **properties}
    return object_of(properties, "ifMatch", title=method.title())


def list_of(variants: list[Schema]) -> Schema:
    return {"type": "array", "minItems": 1, "maxItems": MAX_OPERATIONS, "items": {"oneOf": variants}}


def bulk_request(schema: Any) -> Schema:
    serializer_class = schema.view.serializer_class
    new = schema.resolve_serializer(serializer_class, "request").ref
    changed = schema.resolve_serializer(serializer_class(partial=True), "request").ref
    existing = {"id": UUID, "ifMatch": IF_MATCH}
    variants = [
        variant("create", {"data": new}),
        variant("update", {**existing, "data": changed}),
        variant("delete", existing),
    ]
    return object_of({"operations": list_of(variants)})


def bulk_results(schema: Any) -> Schema:
    """Return the schema of one result for each operation, in their order.

    Raises ImproperlyConfigured for a field `method`, which is the name of the operation.
    """
    component = schema.resolve_serializer(schema.view.serializer_class, "response")
    shown = copy.deepcopy(schema.registry[component.name, ResolvedComponent.SCHEMA].schema)["properties"]
    if "method" in shown:
        raise ImproperlyConfigured(
            f"{schema.view.serializer_class.__name__} has a field `method`, which in the results of POST …/bulk is the"
            " operation. Give it another name, and the model's as its `source`."
        )
    written = {"version": VERSION, **shown}
    return list_of([variant("create", written), variant("update", written), variant("delete", {"id": UUID})])
