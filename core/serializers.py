"""What every serializer shares: camelCase names fixed at class-build time, and strings that must be strings."""

import copy
import re
from typing import Any, ClassVar

from django.core.exceptions import FieldDoesNotExist
from django.core.validators import ProhibitNullCharactersValidator
from rest_framework import serializers
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from core.text import refuse_mark_runs

HUMP = re.compile(r"(?<!^)([A-Z])")


def snake(name: str) -> str:
    return HUMP.sub(r"_\1", name).lower()


class Storable:
    """What two of DRF's validators ask, which look at each character for itself: with the same codes and words."""

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


class ModelSerializer(serializers.ModelSerializer[Any]):
    """A ModelSerializer whose `Meta.fields` are the contract's camelCase names.

    With `columns` its objects are read straight from their columns, without asking each declared field for each row:
    {field: annotation of the queryset} for the fields that are not columns of the model, {} if all of them are.
    """

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping
    columns: ClassVar[dict[str, str] | None] = None
    _attributes: ClassVar[tuple[tuple[str, str], ...]] = ()
    _prototypes: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        meta = getattr(cls, "Meta", None)
        if meta is None or getattr(meta, "model", None) is None:
            return
        extra = dict(getattr(meta, "extra_kwargs", {}))
        for name in meta.fields:
            column = snake(name)
            if column != name and name not in cls._declared_fields and _has_field(meta.model, column):
                extra[name] = {"source": column, **extra.get(name, {})}
        meta.extra_kwargs = extra
        meta.read_only_fields = tuple(getattr(meta, "read_only_fields", ()))
        # What must be unique is the database's to say, and a 409: a question before the write proves nothing.
        meta.validators = getattr(meta, "validators", [])
        if cls.columns is not None:
            cls.columns = {name: cls.columns.get(name, snake(name)) for name in meta.fields}
            sources = (
                getattr(cls._declared_fields.get(name), "source", None) or snake(name) for name in meta.fields
            )
            cls._attributes = tuple(zip(meta.fields, sources, strict=True))

    def get_fields(self) -> dict[str, Any]:
        """Found out once for the class; each serializer gets copies of its own, since a field knows its parent."""
        prototypes = self.__class__.__dict__.get("_prototypes")
        if prototypes is None:
            prototypes = self.__class__._prototypes = super().get_fields()
        return {name: own_copy(field) for name, field in prototypes.items()}

    def to_representation(self, instance: Any) -> dict[str, Any]:
        if self.columns is None:
            representation: dict[str, Any] = super().to_representation(instance)
            return representation
        return {name: getattr(instance, attribute) for name, attribute in self._attributes}


def own_copy(field: Any) -> Any:
    """Of a field that is bound to no serializer yet. Its validators and choices are shared: nobody changes them."""
    copied = copy.copy(field)
    if getattr(field, "child", None) is not None:
        copied.child = own_copy(field.child)
        copied.child.parent = copied
    return copied


def _has_field(model: Any, name: str) -> bool:
    if name.endswith("_id"):
        name = name[:-3]
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True
