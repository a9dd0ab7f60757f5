"""`include=customer`: rows of other models in each object, by one more query for each relation and page."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from core.api.filters import names_in, names_parameter
from core.api.relations import field_of
from core.api.routers import viewsets
from core.api.row_access import has_model, in_state, model_of
from core.api.scopes import READ, ScopedCredential, name_of, require_scope
from core.api.serializers import camel, names_of, snake
from core.web.errors import FieldError


def relation_of(model: Any, name: str) -> Any:
    """Return the foreign key that an include follows, by its name in camelCase, or None."""
    field = field_of(model, snake(name))  # of `userId` too, which is the name of the key
    if getattr(field, "attname", None) is None or camel(field.name) != name:
        return None
    return field if field.many_to_one or field.one_to_one else None


def refuse_wrong_includes(view_class: Any) -> None:
    """Raise ImproperlyConfigured for an include that follows no foreign key, or has the name of a field."""
    if not view_class.includes or not has_model(view_class):
        return
    shown: set[str] = set()
    for attribute in ("serializer_class", "detail_serializer_class"):
        serializer_class = getattr(view_class, attribute, None)
        shown |= set(names_of(serializer_class)) if serializer_class is not None else set()
    for name in view_class.includes:
        if relation_of(model_of(view_class), name) is None:
            raise ImproperlyConfigured(
                f"{view_class.__name__}.includes has {name!r}, and {snake(name)!r} is no foreign key of the model. "
                "Many rows have a list of their own, with a filter by this one."
            )
        if name in shown:
            raise ImproperlyConfigured(
                f"{view_class.__name__}.includes has {name!r}, which is a field of the serializer too: show the key "
                f"as {name + 'Id'!r}."
            )


def requested_includes(view: Any) -> list[str]:
    """Return the names in `include`, each once; none for a view without `includes`. Raises FieldError for an unknown
    one, and ApiError FORBIDDEN for one that the scopes of an API key do not permit."""
    text = names_in(view.request.query_params, "include") if view.includes else None
    if text is None:
        return []
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    if not view.includes.keys() >= {*names}:
        raise FieldError("include", "invalid", f"Must be among {', '.join(view.includes)}.")
    if isinstance(view.request.auth, ScopedCredential):
        for name in names:
            require_reading(view.request.auth, relation_of(view.model, name).related_model)
    return names


def require_reading(credential: ScopedCredential, model: Any) -> None:
    """Raise ApiError FORBIDDEN unless the credential may read a viewset of the model. Without a viewset the rows have
    no scope, and are shown as a part of the others."""
    scopes = dict.fromkeys(name_of(each) for each in viewsets() if model_of(each) is model)
    if scopes and not any(f"{name}:{READ}" in credential.scopes for name in scopes):
        require_scope(credential, next((name for name in scopes if name), None), READ)


def fields_parameter(view: Any) -> dict[str, Any]:
    """Return the OpenAPI parameter `fields` of a view whose responses hold objects."""
    text = "Names with commas, or the parameter repeated: each object holds only these, and `id`."
    return names_parameter("fields", text, list(names_of(view.get_serializer_class())))


def object_parameters(view: Any) -> list[dict[str, Any]]:
    """Return the OpenAPI parameters `fields`, and `include` where the view declares one."""
    if not view.includes:
        return [fields_parameter(view)]
    text = (
        "Names with commas, or the parameter repeated: each object has these too, null for one that you may not read. "
        "The response is never a 304."
    )
    return [fields_parameter(view), names_parameter("include", text, list(view.includes))]


def with_included(
    view: Any, names: Sequence[str], instances: Iterable[Any], shown: Iterable[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the objects, each with the rows of these relations; null for a row that the caller may not read, and for a
    deleted one."""
    instances = list(instances)
    rows = {name: rows_by_key(view, name, instances) for name in names}
    keys = {name: relation_of(view.model, name).attname for name in names}
    return [
        {**each, **{name: rows[name].get(getattr(instance, keys[name])) for name in names}}
        for instance, each in zip(instances, shown, strict=True)
    ]


def rows_by_key(view: Any, name: str, instances: Sequence[Any]) -> dict[Any, Any]:
    """Return {key: what the serializer shows} of the rows that these instances refer to."""
    relation = relation_of(view.model, name)
    target = relation.target_field.attname
    keys = {getattr(instance, relation.attname) for instance in instances} - {None}
    rows: Any = relation.related_model._default_manager.all()
    rows = rows.visible_to(view.request.user) if hasattr(rows, "visible_to") else rows
    rows = list(in_state(rows, deleted=False).filter(**{f"{target}__in": keys})) if keys else []
    shown = view.includes[name](rows, many=True, context=view.get_serializer_context()).data
    return {getattr(row, target): each for row, each in zip(rows, shown, strict=True)}
