"""Values of JSON have the type that the OpenAPI document names. REST framework takes "12" for 12, and 12 for "12"."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rest_framework import serializers

from core.web.error_details import NO_OBJECT

DECIMAL = re.compile(r"-?(\d+(\.\d*)?|\.\d+)", re.ASCII)


def is_number(_field: Any, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(field: Any, value: Any) -> bool:
    return is_number(field, value) and (isinstance(value, int) or value.is_integer())


def is_decimal(field: Any, value: Any) -> bool:
    """Return whether it is a number, or a text with one: the API shows decimals as texts, since floats lose digits."""
    is_text = isinstance(value, str) and DECIMAL.fullmatch(value) is not None
    return is_text or is_number(field, value)


def is_choice(field: Any, value: Any) -> bool:
    """Return whether it is a choice, or no text of one: then the field refuses it."""
    return str(value) not in map(str, field.choices) or any(
        type(value) is type(choice) and value == choice for choice in field.choices
    )


def is_text(_field: Any, value: Any) -> bool:
    return isinstance(value, str)


def is_boolean(_field: Any, value: Any) -> bool:
    return isinstance(value, bool)


def is_given(_field: Any, value: Any) -> bool:
    return value != ""


def is_in_range(field: Any, value: Any) -> bool:
    """Return whether each whole number in it has 64 bits. A float beyond is a whole one: PostgreSQL stores 1e20 as
    such, and many clients cannot read it."""
    if isinstance(value, Mapping | list):
        items = value.values() if isinstance(value, Mapping) else value
        return all(is_in_range(field, item) for item in items)  # the parser has bounded the depth
    return not isinstance(value, int | float) or -(2**63) <= value < 2**64


# By class: what a value must be, and the code of the error. The first class that fits counts.
TYPES: tuple[tuple[Any, Callable[[Any, Any], bool], str], ...] = (
    (serializers.BooleanField, is_boolean, "invalid"),
    (serializers.IntegerField, is_whole, "invalid"),
    (serializers.FloatField, is_number, "invalid"),
    (serializers.DecimalField, is_decimal, "invalid"),
    (serializers.CharField | serializers.UUIDField | serializers.DurationField, is_text, "invalid"),
    (serializers.ChoiceField, is_choice, "invalid_choice"),
    (serializers.RelatedField, is_given, "does_not_exist"),
    (serializers.JSONField | serializers.DictField, is_in_range, "max_value"),
)
MESSAGES = {
    "max_value": "A whole number has 64 bits at most.",
    "invalid_choice": "This is no valid choice.",
    "does_not_exist": NO_OBJECT,
}


def typed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields whose values have to be looked at, by name."""
    return {name: field for name, field in fields.items() if not field.read_only and rule_of(field)}


def rule_of(field: Any) -> Any:
    """Return the rule of a field; None where the field itself refuses other types."""
    if isinstance(field, serializers.ListField):
        return rule_of(field.child)
    if hasattr(field, "refuses_other_types"):
        return None
    if isinstance(field, serializers.ChoiceField) and not any(map(is_ambiguous, field.choices)):
        return None
    return next((rule for rule in TYPES if isinstance(field, rule[0])), None)


def is_ambiguous(choice: Any) -> bool:
    """Return whether a value of another type has the same text: REST framework compares texts."""
    return not isinstance(choice, str) or choice in {"True", "False"} or choice[:1] in "-0123456789"


def wrong_types(fields: Mapping[str, Any], data: Any) -> dict[str, Any]:
    """Return {name: errors} of the values of JSON that have another type. Null is left to the fields, and so are the
    texts of a form."""
    if type(data) is not dict:
        return {}
    refused = {name: problem_of(field, data[name]) for name, field in fields.items() if name in data}
    return {name: problem for name, problem in refused.items() if problem}


def joined(refused: Any, wrong: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the errors of the fields with those of the types, in the order of the names. A list has one for each
    item."""
    both = {
        name: {**wrong[name], **refused[name]}
        for name in wrong
        if isinstance(wrong[name], dict) and isinstance(refused.get(name), dict)
    }
    errors = {**wrong, **refused, **both}
    return {name: errors[name] for name in (*names, *errors) if name in errors}


def problem_of(field: Any, value: Any) -> Any:
    if isinstance(field, serializers.ListField):
        items = enumerate(value) if isinstance(value, list) else ()
        return {number: problem for number, item in items if (problem := problem_of(field.child, item))}
    _class, fits, code = rule_of(field)
    if value is None or fits(field, value):
        return None
    message = MESSAGES.get(code) or field.error_messages["invalid"]
    return [serializers.ErrorDetail(str(message).format(value=value), code=code)]
