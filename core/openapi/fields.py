"""Fields in the OpenAPI document: the bounds of texts, and in each direction only what belongs to it."""

import json
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_lib_doc_excludes, is_patched_serializer
from rest_framework import serializers

from core.api.row_access import RowAccess, model_of
from core.api.serializers import ModelSerializer

Schema = dict[str, Any]

NO_NUL = r"^[^\x00]*$"  # PostgreSQL cannot store it, so no text may hold it
NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"  # after trimming, something must be left


def documented_nowhere() -> list[type]:
    """Classes whose docstrings speak to the developers of this project (GET_LIB_DOC_EXCLUDES)."""
    return [*get_lib_doc_excludes(), ModelSerializer]


class FieldSchema(AutoSchema):
    """A field class may name a `pattern` and an `example`, a serializer the `examples` of its fields.

    A serializer whose example is only a part of its fields names that as `example`.
    """

    @property
    def model(self) -> Any:
        """The model of a viewset, else None."""
        return model_of(type(self.view)) if isinstance(self.view, RowAccess) else None

    def _get_filter_parameters(self) -> list[Schema]:
        """With the words of the filters, and the bounds that their form fields check."""
        parameters: list[Schema] = super()._get_filter_parameters()
        filters = getattr(getattr(self.view, "filterset_class", None), "base_filters", {})
        for parameter in parameters:
            if parameter["name"] not in filters:
                continue
            extra = filters[parameter["name"]].extra
            if "help_text" in extra:
                parameter["description"] = extra["help_text"]
            text = parameter["schema"].get("items", parameter["schema"])
            if text.get("type") == "string" and "enum" not in text and "format" not in text:
                text["pattern"] = NO_NUL
                text |= {"maxLength": extra["max_length"]} if "max_length" in extra else {}
        return parameters

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        schema = super()._map_serializer_field(field, direction, bypass_extensions)
        if not schema:
            return schema
        if direction == "request" and isinstance(field, serializers.CharField):
            schema |= text_bounds(field, schema)
        given = getattr(field.parent, "examples", {})
        example = given.get(field.field_name, getattr(field, "example", None))
        if example is not None:
            schema["examples"] = [example]
        return schema

    def _insert_field_validators(self, field: Any, schema: Schema) -> None:
        pattern = schema.pop("pattern", None)  # or a text that may be blank is said to be two kinds of text
        super()._insert_field_validators(field, schema)
        if pattern:
            schema["pattern"] = pattern

    def _postprocess_serializer_schema(self, schema: Schema, serializer: Any, direction: Any) -> Schema:
        """Each direction has components of its own, so what is only for the other is left out, not marked."""
        schema = super()._postprocess_serializer_schema(schema, serializer, direction)
        properties = schema.get("properties", {})
        for item in properties.values():
            item.pop("readOnly", None)
            item.pop("writeOnly", None)
            default = item.pop("default", None)  # a generated client would send it
            said = direction == "request" and not is_patched_serializer(serializer, direction)
            if default is not None and said:  # what a PATCH leaves out stays as it is
                default_text = f"By default `{json.dumps(default)}`."
                item["description"] = f"{item.get('description', '')} {default_text}".strip()
        if direction == "request" and hasattr(serializer, "example"):
            schema["examples"] = [serializer.example]
        if direction == "response" and properties:
            schema["required"] = list(properties)  # an answer is always whole
        return schema


def text_bounds(field: serializers.CharField, schema: Schema) -> Schema:
    """What a text must be like before it is trimmed."""
    if "format" in schema:
        return {"maxLength": field.max_length}
    blank = field.allow_blank or not field.trim_whitespace
    return {"pattern": getattr(field, "pattern", None) or (NO_NUL if blank else NOT_BLANK)}
