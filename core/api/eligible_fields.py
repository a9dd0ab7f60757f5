"""Selection of the fields that show a value of the row as it is, so that a compiled read may select it."""

import inspect
from datetime import UTC
from functools import cache
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.query_utils import DeferredAttribute
from rest_framework import ISO_8601, serializers
from rest_framework.settings import api_settings

from core.api.overrides import override_of
from core.api.serializers import VersionField
from core.db.base import BaseModel

TEXT_COLUMNS = (models.CharField, models.TextField, models.EmailField, models.SlugField, models.URLField)
INTEGER_COLUMNS = (
    *(models.IntegerField, models.BigIntegerField, models.SmallIntegerField),
    *(models.PositiveIntegerField, models.PositiveBigIntegerField, models.PositiveSmallIntegerField),
)
# The serializer fields that represent a value of these columns by the value itself.
SAME_VALUE: dict[Any, tuple[Any, ...]] = {
    serializers.CharField: TEXT_COLUMNS,
    serializers.ChoiceField: TEXT_COLUMNS,
    serializers.IntegerField: INTEGER_COLUMNS,
    serializers.BooleanField: (models.BooleanField,),
    serializers.UUIDField: (models.UUIDField,),
    serializers.DateTimeField: (models.DateTimeField,),
    serializers.ListField: (ArrayField,),
}
ANNOTATION = object()  # its type is known with the queryset
# Code that no representation of a row calls.
INPUT_HOOKS = frozenset(
    {
        *("create", "update", "create_many", "update_many", "save", "is_valid", "validate"),
        *("to_internal_value", "run_validation", "run_validators", "get_validators"),
    }
)
ALL_COLUMNS = tuple({column for columns in SAME_VALUE.values() for column in columns})


@cache
def refusal_of(serializer_class: Any) -> str | None:
    """Return why rows must pass the fields of this serializer, or None."""
    if (hook := override_of(serializer_class, allowed=INPUT_HOOKS)) is not None:
        return hook
    if getattr(getattr(serializer_class, "Meta", None), "model", None) is None:
        return f"the model of {serializer_class.__name__}"
    if hasattr(serializer_class.Meta, "list_serializer_class"):
        return f"{serializer_class.__name__}.Meta.list_serializer_class"
    for name, field in serializer_class().fields.items():
        if is_version(field, serializer_class.Meta.model):
            continue
        column = column_of(serializer_class.Meta.model, field.source)
        if column is None:  # perhaps an annotation: core/api/read_eligibility.py looks at its type
            column = None if hasattr(serializer_class.Meta.model, field.source) else ANNOTATION
        own = column is ANNOTATION or has_plain_descriptor(serializer_class.Meta.model, field.source)
        if column is None or field.write_only or not own or not is_same_value(field, column):
            return f"the field {name} of {serializer_class.__name__}"
    return None


def is_version(field: Any, model: Any) -> bool:
    """Return whether the field shows the ETag, and this depends on nothing but the row, or on what it covers."""
    return type(field) is VersionField and (model.etag is BaseModel.etag or "etag" in model.etag_covers)


def has_plain_descriptor(model: Any, attribute: str) -> bool:
    """Return whether reading the attribute of a row gives the column, and is not replaced by a property or the like."""
    return isinstance(inspect.getattr_static(model, attribute, None), DeferredAttribute)


def is_same_value(field: Any, column: Any) -> bool:
    """Return whether the field represents a value of this column by the value itself."""
    if field.source == "*" or "." in field.source:
        return False
    if isinstance(field, serializers.ListSerializer):
        return bool(getattr(field, "represents_the_value", False))
    kind = type(field)
    if kind.get_attribute is not serializers.Field.get_attribute:
        return False
    if kind is serializers.ReadOnlyField:
        return type(column) in ALL_COLUMNS
    base = next((base for base in SAME_VALUE if kind.to_representation is base.to_representation), None)
    if base is None or (column is not ANNOTATION and type(column) not in SAME_VALUE[base]):
        return False
    if base is serializers.DateTimeField:
        is_iso = api_settings.DATETIME_FORMAT == ISO_8601 and not hasattr(field, "format")
        return is_iso and getattr(field, "timezone", None) is UTC
    if base is serializers.UUIDField:
        return bool(field.uuid_format == "hex_verbose")
    if base is serializers.ListField:
        return type(field.child).to_representation is serializers.CharField.to_representation
    return True


def shows_column(model: Any, field: Any) -> bool:
    """Return whether the field shows a column of the row, in whatever form, by code of REST framework."""
    if getattr(field, "represents_the_value", False) or is_version(field, model):
        return True
    column: Any = getattr(inspect.getattr_static(model, field.source, None), "field", None)
    if column not in model._meta.concrete_fields or field.source not in {column.name, column.attname}:
        return False
    if column.is_relation and field.source == column.name:
        return type(field) is serializers.PrimaryKeyRelatedField
    return override_of(type(field), allowed=INPUT_HOOKS | {"__init__"}) is None


def column_of(model: Any, attribute: str) -> Any:
    """Return the model's field whose value this attribute is, for `user_id` the field of the key, or None."""
    column = next((column for column in model._meta.concrete_fields if column.attname == attribute), None)
    return getattr(column, "target_field", column) if column is not None else None
