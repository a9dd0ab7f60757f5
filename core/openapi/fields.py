"""Serializers and filters in the OpenAPI document: bounds of texts, and in each direction what belongs to it."""

import json
from typing import Any

from drf_spectacular.extensions import OpenApiFilterExtension, OpenApiSerializerExtension
from drf_spectacular.plumbing import get_lib_doc_excludes, is_patched_serializer
from rest_framework import serializers

from core.api.filters import MAX_VALUES, parameters_in
from core.api.operators import InFilter, VisibleRowInFilter
from core.api.serializers import ModelSerializer

Schema = dict[str, Any]

NO_NUL = r"^[^\x00]*$"  # PostgreSQL cannot store it, so no text may hold it
NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"  # after trimming, something must be left


def undocumented_classes() -> list[type]:
    """Return the classes whose docstrings are for the developers of this project (GET_LIB_DOC_EXCLUDES)."""
    return [*get_lib_doc_excludes(), ModelSerializer]


class SerializerSchema(OpenApiSerializerExtension):
    """Schema of a serializer. A field class may name a `pattern` and an `example`, a serializer the `examples` of its
    fields, and an `example` of itself where it is no more than some of its fields."""

    target_class = serializers.Serializer
    match_subclasses = True
    priority = -2  # after drf-spectacular's own

    def map_serializer(self, auto_schema: Any, direction: Any) -> Schema:
        self.target_class = self.target  # the default implementation maps the class, and not this instance
        schema: Schema = super().map_serializer(auto_schema, direction)
        properties = schema.get("properties", {})
        for name, item in properties.items():
            describe_field(self.target.fields[name], item, direction)
            # Each direction has components of its own, so nothing has to be marked.
            item.pop("readOnly", None)
            item.pop("writeOnly", None)
            default = item.pop("default", None)  # a generated client would send it
            is_stated = direction == "request" and not is_patched_serializer(self.target, direction)
            if default is not None and is_stated:
                default_text = f"By default `{json.dumps(default)}`."
                item["description"] = f"{item.get('description', '')} {default_text}".strip()
        if direction == "request" and hasattr(self.target, "example"):
            schema["examples"] = [self.target.example]
        if direction == "response" and properties:
            schema["required"] = list(properties)  # a response is always whole
        return schema


def describe_field(field: Any, schema: Schema, direction: str) -> None:
    """Add the bounds of texts and the example of a field, and of the items of a list."""
    if isinstance(field, serializers.ListField) and "items" in schema:
        describe_field(field.child, schema["items"], direction)
    if "oneOf" in schema:  # of drf-spectacular for null and blank texts, but JSON of any kind may be null too
        schema["anyOf"] = schema.pop("oneOf")
    if direction == "request" and isinstance(field, serializers.CharField):
        schema |= text_bounds(field, schema)
    given = getattr(field.parent, "examples", {})
    example = given.get(field.field_name, getattr(field, "example", None))
    if example is not None:
        schema["examples"] = [example]


def text_bounds(field: serializers.CharField, schema: Schema) -> Schema:
    """Return what a text must be like before it is trimmed."""
    if "format" in schema:
        return {"maxLength": field.max_length}
    blank = field.allow_blank or not field.trim_whitespace
    return {"pattern": getattr(field, "pattern", None) or (NO_NUL if blank else NOT_BLANK)}


def filter_parameters(schema: Any) -> list[Schema]:
    """Return the parameters of the view's filter backends, with the bounds that the forms of the filters check."""
    parameters: list[Schema] = []
    for backend in (backend_class() for backend_class in schema.view.filter_backends):
        extension: Any = OpenApiFilterExtension.get_match(backend)
        if extension:
            parameters += extension.get_schema_operation_parameters(schema)
        else:
            parameters += backend.get_schema_operation_parameters(schema.view)
    filters = parameters_in(getattr(schema.view, "filterset_class", None))
    for parameter in parameters:
        if parameter["name"] in filters:
            describe_filter(filters[parameter["name"]], parameter)
    return parameters


def describe_filter(item: Any, parameter: Schema) -> None:
    """Add the description of a filter and the bounds of its values."""
    extra, schema = item.extra, parameter["schema"]
    if "help_text" in extra:
        parameter["description"] = extra["help_text"]
    if isinstance(item, InFilter | VisibleRowInFilter):
        schema |= {"minItems": 1, "maxItems": MAX_VALUES}
        parameter |= {"style": "form", "explode": False}
    one = schema.get("items", schema)
    if one.get("type") == "string" and "enum" not in one and "format" not in one:
        one["pattern"] = NO_NUL
        one |= {"maxLength": extra["max_length"]} if "max_length" in extra else {}
    if "min_value" in extra and "max_value" in extra:
        one |= {"minimum": extra["min_value"], "maximum": extra["max_value"]}
