"""The base of every serializer: camelCase names fixed at class-build time, and strings that must be strings."""

import copy
import inspect
import re
from collections.abc import Collection, Mapping
from datetime import UTC
from functools import cache
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ImproperlyConfigured
from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models.query_utils import DeferredAttribute
from rest_framework import ISO_8601, serializers
from rest_framework.settings import api_settings
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from core.api.overrides import override_of
from core.db.access import filterable
from core.web.text import refuse_mark_runs

HUMP = re.compile(r"(?<!^)([A-Z])")
SINGLE_UNDERSCORE = re.compile(r"(?<!_)_([a-z0-9])")


def snake(name: str) -> str:
    return HUMP.sub(r"_\1", name).lower()


def camel(name: str) -> str:
    """Return the contract's spelling of a field's name; a lookup such as `due_date__lt` becomes `dueDate__lt`."""
    return SINGLE_UNDERSCORE.sub(lambda letter: letter[1].upper(), name)


class Storable:
    """Validator in place of two of DRF, which test each character by itself. Codes and messages are theirs."""

    surrogate = ProhibitSurrogateCharactersValidator()
    null = ProhibitNullCharactersValidator()

    def __call__(self, value: Any) -> None:
        text = str(value)
        if "\x00" in text:
            self.null(text)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.surrogate(text)


class StringField(serializers.CharField):
    """DRF turns 12 into "12"; here a number is not a string. Bounded before anything else looks at the text."""

    max_input: ClassVar[int | None] = None  # where `max_length` counts what is left after normalisation

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        slow = (ProhibitSurrogateCharactersValidator, ProhibitNullCharactersValidator)
        self.validators = [*(item for item in self.validators if not isinstance(item, slow)), Storable()]

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        text = super().to_internal_value(data)
        limit = self.max_input or self.max_length
        if limit is not None and len(text) > limit:
            self.fail("max_length", max_length=self.max_length)
        refuse_mark_runs(text)
        return text


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

DOES_NOT_EXIST = serializers.ErrorDetail("There is no such object.", code="does_not_exist")


class ModelSerializer(serializers.ModelSerializer[Any]):
    """A ModelSerializer whose `Meta.fields` are the contract's camelCase names, and whose times are in UTC."""

    _prototypes: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        meta = getattr(cls, "Meta", None)
        if meta is None or getattr(meta, "model", None) is None:
            return
        extra = dict(getattr(meta, "extra_kwargs", {}))
        names = getattr(meta, "fields", ())
        for name in names if names != serializers.ALL_FIELDS else ():
            column = snake(name)
            if column != name and name not in cls._declared_fields and _has_field(meta.model, column):
                extra[name] = {"source": column, **extra.get(name, {})}
        meta.extra_kwargs = extra
        meta.read_only_fields = tuple(getattr(meta, "read_only_fields", ()))
        # A query before the write proves nothing, so the database refuses values that are not unique, with a 409.
        meta.validators = getattr(meta, "validators", [])

    def get_fields(self) -> dict[str, Any]:
        """Return copies of fields that are built once for the class. A field knows its parent, so it is not shared."""
        prototypes = self.__class__.__dict__.get("_prototypes")
        if prototypes is None:
            prototypes = self.__class__._prototypes = super().get_fields()
            refuse_written_keys(self.__class__, prototypes)
            for field in prototypes.values():
                if isinstance(field, serializers.DateTimeField) and not hasattr(field, "timezone"):
                    field.timezone = UTC  # whatever `timezone.activate` sets
        return {name: own_copy(field) for name, field in prototypes.items()}

    def to_internal_value(self, data: Any) -> Any:
        """Return the valid values. Relations to rows that the caller may not read are refused.

        Where the relation decides whose row it is (a path of the model's `access`), rows that the caller may not write
        are refused too. The error is that of rows that do not exist.
        """
        values = super().to_internal_value(data)
        refuse_hidden(self, values)
        return values

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        """Store what differs, as one new version of the object. As in REST framework, a value that is no field of the
        model is set as an attribute; then every column is stored, since any may have followed."""
        serializers.raise_errors_on_nested_writes("update", self, validated_data)
        model: Any = type(instance)
        to_many = {
            field.name for field in model._meta.get_fields() if field.many_to_many or field.one_to_many
        }
        relations = {name: validated_data.pop(name) for name in to_many & validated_data.keys()}
        columns = {field.name for field in model._meta.concrete_fields}
        changed = [
            name
            for name, value in validated_data.items()
            if name not in columns or getattr(instance, name) != value
        ]
        for name in changed:
            setattr(instance, name, validated_data[name])
        if not columns.issuperset(changed):
            changed = [*columns - {model._meta.pk.name, "version", "updated_at"}]
        if changed or relations:
            instance.save_changes(*changed)
        for name, rows in relations.items():
            getattr(instance, name).set(rows)
        return instance


def refuse_hidden(serializer: Any, values: dict[str, Any]) -> None:
    """Refuse relations to rows that the caller may not read. Where the relation decides whose row it is (a path of the
    model's `access`), rows that the caller may not write are refused too. The error is that of rows that do not exist.

    Raises ValidationError.
    """
    user = getattr(serializer.context.get("request"), "user", None)
    if user is None:
        return
    access = getattr(getattr(getattr(serializer, "Meta", None), "model", None), "access", None)
    paths = access.paths if access is not None else frozenset()
    hidden = [name for name, field in serializer.fields.items() if is_hidden(field, values, user, paths)]
    if hidden:
        raise serializers.ValidationError({name: [DOES_NOT_EXIST] for name in hidden})


def is_hidden(field: Any, values: dict[str, Any], user: Any, paths: Collection[str]) -> bool:
    if field.read_only or not isinstance(field, serializers.RelatedField | serializers.ManyRelatedField):
        return False
    given: Any = values
    for name in str(field.source).split("."):
        given = given.get(name) if isinstance(given, Mapping) else None
    rows = [row for row in (given if isinstance(given, list) else [given]) if isinstance(row, models.Model)]
    seen: Any = type(rows[0])._default_manager.all() if rows else None
    if not hasattr(seen, "visible_to"):
        return False
    seen = filterable(seen.writable_by(user) if field.source in paths else seen.visible_to(user))
    seen = seen.not_deleted() if hasattr(seen, "not_deleted") else seen
    keys = {row.pk for row in rows}
    return bool(seen.filter(pk__in=keys).order_by().values("pk").distinct().count() < len(keys))


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
        column = column_of(serializer_class.Meta.model, field.source)
        if column is None:  # perhaps an annotation: core/api/read_eligibility.py looks at its type
            column = None if hasattr(serializer_class.Meta.model, field.source) else ANNOTATION
        own = column is ANNOTATION or has_plain_descriptor(serializer_class.Meta.model, field.source)
        if column is None or field.write_only or not own or not is_same_value(field, column):
            return f"the field {name} of {serializer_class.__name__}"
    return None


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
    if getattr(field, "represents_the_value", False):
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


def refuse_written_keys(serializer_class: Any, fields: dict[str, Any]) -> None:
    """Raise ImproperlyConfigured for a field that writes a foreign key by its value: nobody would look at the row."""
    keys = {
        column.attname for column in serializer_class.Meta.model._meta.concrete_fields if column.is_relation
    }
    for name, field in fields.items():
        if not field.read_only and (getattr(field, "source", None) or name) in keys:
            raise ImproperlyConfigured(
                f"{serializer_class.__name__}.{name} writes the key of a relation. Use a PrimaryKeyRelatedField."
            )


def names_of(serializer_class: Any) -> tuple[str, ...]:
    """Return the names of the fields that an object is shown with."""
    names = getattr(getattr(serializer_class, "Meta", None), "fields", serializers.ALL_FIELDS)
    return tuple(serializer_class().fields if names == serializers.ALL_FIELDS else names)


def own_copy(field: Any) -> Any:
    """Return a copy of an unbound field. Validators and choices are shared, since no code changes them."""
    copied = copy.copy(field)
    if hasattr(field, "validators"):
        copied.validators = list(field.validators)  # a serializer may append to its own
    if getattr(field, "child", None) is not None:
        copied.child = own_copy(field.child)
        copied.child.parent = copied
    return copied


def _has_field(model: Any, name: str) -> bool:
    return any(name in {field.name, getattr(field, "attname", None)} for field in model._meta.get_fields())
