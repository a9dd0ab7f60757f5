"""Relations that a client writes: only to rows that the caller may read, or write where they decide whose row it is."""

from collections.abc import Collection, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from rest_framework import serializers

from core.db.access import filterable
from core.web.error_details import NO_OBJECT

RELATIONS = (serializers.RelatedField, serializers.ManyRelatedField)
DOES_NOT_EXIST = serializers.ErrorDetail(NO_OBJECT, code="does_not_exist")


class UserIdField(serializers.PrimaryKeyRelatedField):
    """The id of any user whose account is not deleted, also of one whom the caller may not read: who knows an id may
    name its user, for example as a member. The response shows the id alone.
    """

    is_checked = False

    def get_queryset(self) -> Any:
        return get_user_model()._default_manager.filter(deleted_at=None)

    def __init__(self, **kwargs: Any) -> None:
        given = {} if kwargs.get("read_only") else {"queryset": get_user_model()._default_manager.all()}
        super().__init__(**{**given, **kwargs})


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
    hidden = [
        name
        for name, field in serializer.fields.items()
        if isinstance(field, RELATIONS)
        and (keys := hidden_keys(field, values, user, paths))
        and not keys <= present_keys(field, serializer.instance)
    ]
    if hidden:
        raise serializers.ValidationError({name: [DOES_NOT_EXIST] for name in hidden})


def hidden_keys(field: Any, values: dict[str, Any], user: Any, paths: Collection[str]) -> set[Any]:
    """Return the keys among these values of a relation whose rows the caller may not read, or not write."""
    if field.read_only or not getattr(field, "is_checked", True):
        return set()
    given: Any = values
    for name in str(field.source).split("."):
        given = given.get(name) if isinstance(given, Mapping) else None
    rows = [row for row in (given if isinstance(given, list) else [given]) if isinstance(row, models.Model)]
    seen: Any = type(rows[0])._default_manager.all() if rows else None
    if not hasattr(seen, "visible_to"):
        return set()
    seen = filterable(seen.writable_by(user) if field.source in paths else seen.visible_to(user))
    seen = seen.not_deleted() if hasattr(seen, "not_deleted") else seen
    keys = {row.pk for row in rows}
    return keys - set(seen.filter(pk__in=keys).order_by().values_list("pk", flat=True))


def present_keys(field: Any, instance: Any) -> set[Any]:
    """Return the keys that this relation of the instance has already: an object may be sent back as it was read."""
    if not isinstance(instance, models.Model):
        return set()
    held = field.get_attribute(instance)
    return {
        row.pk for row in ([held] if not isinstance(field, serializers.ManyRelatedField) else held) if row
    }


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
