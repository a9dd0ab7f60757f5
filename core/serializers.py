"""What every serializer shares: camelCase names fixed at class-build time, and strings that must be strings."""

import re
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from rest_framework import serializers

HUMP = re.compile(r"(?<!^)([A-Z])")


def snake(name: str) -> str:
    return HUMP.sub(r"_\1", name).lower()


class StringField(serializers.CharField):
    """DRF turns 12 into "12"; here a number is not a string."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class ModelSerializer(serializers.ModelSerializer[Any]):
    """A ModelSerializer whose `Meta.fields` are the contract's camelCase names."""

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping

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


def _has_field(model: Any, name: str) -> bool:
    if name.endswith("_id"):
        name = name[:-3]
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True
