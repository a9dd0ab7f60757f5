"""The base of every serializer: camelCase names fixed at class-build time, and strings that must be strings."""

import copy
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC
from typing import Any, ClassVar

from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from core.api.strict_types import joined, typed, wrong_types
from core.api.written_relations import refuse_hidden, refuse_written_keys
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

    refuses_other_types = True  # see core/api/strict_types.py
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


class OneZero:
    """Mixin of the number fields that follow from a model: `-0` is 0, as the database stores it."""

    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)  # type: ignore[misc]
        return value or abs(value)


class FloatField(OneZero, serializers.FloatField):
    """A number with a fraction."""


class DecimalField(OneZero, serializers.DecimalField):
    """A decimal number."""


class VersionField(serializers.CharField):
    """The value of the object's ETag, for If-Match: `version = VersionField()` in a serializer of a BaseModel."""

    example = "v1-63f1a0b2c3d4e"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{"source": "etag", "read_only": True, "help_text": "The value of the ETag.", **kwargs}
        )

    def to_representation(self, value: str) -> str:
        return value.strip('"')


HANDLING = re.compile(r"(?:^|,)\s*handling\s*=\s*\"?(\w+)\"?\s*(?:[;,]|$)", re.IGNORECASE)
# The header, for OpenAPI.
PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "description": "`handling=strict` refuses fields that would otherwise be ignored.",
    "schema": {"type": "string"},
}
UNKNOWN_FIELD = serializers.ErrorDetail("This field is not known here.", code="unknown_field")


class LimitsMixin:
    """Serializer whose errors have the limits that their messages name, as `params`: `{"max": 255}`."""

    def is_valid(self, *, raise_exception: bool = False) -> bool:
        try:
            return bool(super().is_valid(raise_exception=raise_exception))  # type: ignore[misc]
        except serializers.ValidationError as error:
            error.checked_by = self  # type: ignore[attr-defined]
            raise


class Serializer(LimitsMixin, serializers.Serializer[Any]):
    """Serializer of a request or response that is no model."""


class ModelSerializer(LimitsMixin, serializers.ModelSerializer[Any]):
    """A ModelSerializer whose `Meta.fields` are the contract's camelCase names, and whose times are in UTC."""

    serializer_field_mapping: ClassVar = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: StringField,
        models.TextField: StringField,
        models.DecimalField: DecimalField,
        models.FloatField: FloatField,
    }
    _prototypes: ClassVar[dict[str, Any]]
    _typed: ClassVar[dict[str, Any]]

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
            self.__class__._typed = typed(prototypes)
            for name, field in prototypes.items():
                if field.source is None and snake(name) != name and _has_field(self.Meta.model, snake(name)):
                    field.source = snake(name)  # of a declared field: its name is that of the contract
                if isinstance(field, serializers.DateTimeField) and not hasattr(field, "timezone"):
                    field.timezone = UTC  # whatever `timezone.activate` sets
        return {name: own_copy(field) for name, field in prototypes.items()}

    def to_internal_value(self, data: Any) -> Any:
        """Return the valid values. Relations to rows that the caller may not read are refused.

        Where the relation decides whose row it is (a path of the model's `access`), rows that the caller may not write
        are refused too. Present relations of the object may stay. The error is that of rows that do not exist.
        """
        fields = self.fields  # which also finds those with a type
        wrong = wrong_types(self._typed, data) if self._typed else {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise (
                serializers.ValidationError(joined(error.detail, wrong, fields)) if wrong else error
            ) from None
        if wrong:
            raise serializers.ValidationError(wrong)
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


def prefers_strict(request: Any) -> bool:
    """Return whether the client prefers strict handling. Of a repeated preference the first counts (RFC 7240, 2)."""
    if "HTTP_PREFER" not in request.META:
        return False
    handling = HANDLING.search(request.META["HTTP_PREFER"])
    return handling is not None and handling[1].lower() == "strict"


def refuse_unknown_fields(serializer: Any, data: Any, request: Any) -> None:
    """Refuse fields that would be ignored, if the client prefers that (RFC 7240: `Prefer: handling=strict`).

    Raises ValidationError, which names each of them.
    """
    if request is None or not prefers_strict(request) or not isinstance(data, Mapping):
        return
    refuse_unknown_names(data, {name for name, field in serializer.fields.items() if not field.read_only})


def refuse_unknown_names(names: Iterable[str], known: Collection[str]) -> None:
    """Raise ValidationError, which names each that is not known."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise serializers.ValidationError({name: [UNKNOWN_FIELD] for name in unknown})


def merge_patch(serializer: Any, data: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a merge patch (RFC 7396). Its null removes a value, so a field that may not be null gets its
    default, as if a PUT left it out."""
    defaults = {
        name: default_of(field)
        for name, field in serializer.fields.items()
        if name in data and data[name] is None and not field.allow_null and not field.read_only
    }
    return data | defaults


def default_of(field: Any) -> Any:
    """Return the value of an optional field that is left out: the serializer's default, or else the model's. None
    without one."""
    default = field.default
    if default is empty:  # REST framework leaves that of a column to the model
        model = getattr(getattr(field.parent, "Meta", None), "model", None)
        columns = model._meta.concrete_fields if model is not None and not field.required else ()
        default = next((column.get_default for column in columns if column.name == field.source), None)
    if not callable(default):
        return default
    try:
        return default(field) if getattr(default, "requires_context", False) else default()
    except serializers.SkipField:  # one of new objects only
        return None


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
