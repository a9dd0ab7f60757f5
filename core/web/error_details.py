"""The items of `details` in an error: one for each problem, with the values that its message names."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework.exceptions import ErrorDetail

NO_OBJECT = "There is no such object."
# code of REST framework: (name in `params`, attribute of the field that sets the limit)
LIMITS = {
    "max_length": ("max", "max_length"),
    "min_length": ("min", "min_length"),
    "max_value": ("max", "max_value"),
    "min_value": ("min", "min_value"),
    "max_digits": ("max", "max_digits"),
    "max_decimal_places": ("max", "decimal_places"),
    "max_whole_digits": ("max", "max_whole_digits"),
}


def detail_of(field: str | None, error: DjangoValidationError) -> dict[str, Any]:
    """Return the detail of an error that has one message. `max` and `min` of its `params` are shown to the client, as
    is the limit of a validator of Django."""
    given = error.params or {}
    params = {name: value for name, value in given.items() if name in {"max", "min"}}
    code = error.code or "invalid"
    if code in LIMITS and given.get("limit_value") is not None:
        params = {LIMITS[code][0]: given["limit_value"]}
    return detail_with(field, code, error.messages[0], params)


def detail_with(
    field: str | None, code: str, message: str, params: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return an item of `details`, without `params` where the message names no value."""
    item = {"field": field, "code": code, "message": message}
    return {**item, "params": dict(params)} if params else item


def flatten(errors: Any, path: str = "", field: Any = None) -> Iterator[dict[str, Any]]:
    """Yield the `detail` of a REST framework ValidationError as a flat list, with dotted names of nested fields:
    `tags.0`. With the serializer or form as `field`, each has the limit that its message names as `params`."""
    if isinstance(errors, ErrorDetail):
        # Of a row that is hidden and of one that is not there alike, whatever field refuses it.
        message = NO_OBJECT if errors.code == "does_not_exist" else str(errors)
        code = str(errors.code)
        yield detail_with(path or None, code, message, limits_of(field, code))
    elif isinstance(errors, Mapping):
        for key, value in errors.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from flatten(value, f"{path}.{name}" if path and name else path or name, inner(field, key))
    else:
        # A list holds either the messages of one field, or (ListField) mappings by index.
        for index, value in enumerate(errors):
            if isinstance(value, ErrorDetail):
                yield from flatten(value, path, field)
            else:
                yield from flatten(value, f"{path}.{index}" if path else str(index), inner(field, index))


def inner(field: Any, key: Any) -> Any:
    """Return the field of a serializer or form with this name, or that of the items of a list, or None. Errors of the
    whole belong to the field itself."""
    if key == "non_field_errors":
        return field
    return getattr(field, "fields", {}).get(key) or getattr(field, "child", None)


def limits_of(field: Any, code: str) -> dict[str, Any]:
    name, attribute = LIMITS.get(code, ("", ""))
    limit = getattr(field, attribute, None) if name else None
    if callable(limit):  # as Django's validators take it: MaxValueValidator(this_year)
        limit = limit()
    return {} if limit is None else {name: limit}
