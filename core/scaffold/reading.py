"""The arguments of `startresource`: the name of a resource, its fields as `name:type[:options]`, its options."""

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model

from core.db.access import owner_path
from core.db.base import BaseModel
from core.scaffold.fields import Field, constant, is_user
from core.scaffold.kinds import KINDS, MAX_DIGITS, MAX_LENGTH, digits_of, length_of
from core.scaffold.names import (
    WrongField,
    WrongResource,
    class_of,
    is_of_python,
    plural_of,
    refuse_taken,
    refuse_taken_accessors,
    refuse_wrong_field_name,
    refuse_wrong_parent_name,
    refuse_wrong_resource_name,
)
from core.scaffold.resource import Resource

CHOICE = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
OPTIONS = ("null", "unique", "unique-global")
MAX_UNIQUE_LENGTH = 600  # PostgreSQL indexes values of 2,700 bytes, and a character has up to four
MIN_UNIQUE_DIGITS = 4  # before the point: the tests number their rows


def read_resource(name: str, plural: str, specifications: Sequence[str], **options: Any) -> Resource:
    """Return the resource of this name with these fields. Raises WrongResource and WrongField."""
    refuse_wrong_resource_name(name, "name")
    plural = plural or plural_of(name)
    refuse_wrong_resource_name(plural, "plural")
    if plural == name:
        raise WrongResource(f"{plural}: the plural must differ from the name")
    fields = [read_field(text) for text in specifications]
    refuse_wrong_fields(fields, name, plural, **options)
    read_all = options.get("read_all") or ""
    role = get_user_model()._meta.get_field("role")
    roles = [value for value, _label in role.flatchoices if value not in {role.default, "admin"}]
    if read_all and read_all not in roles:
        raise WrongResource(f"--read-all: {read_all!r} is none of the roles {', '.join(roles)}")
    resource = Resource(name=name, plural=plural, fields=fields, **options)
    if resource.members or resource.attachments:
        refuse_wrong_parent_name(name)
    refuse_taken(plural, resource.models, resource.routes)
    refuse_taken_accessors(resource.accessors)
    return resource


def refuse_wrong_fields(fields: Sequence[Field], name: str, plural: str, **options: Any) -> None:
    """Raise WrongField for a field that does not fit the others, the name or the options of the resource."""
    if not fields:
        raise WrongResource("A resource needs a field, such as title:str")
    seen: set[str] = set()
    for each in fields:
        if each.api_name in seen:
            raise WrongField(f"{each.name}: named twice, as {each.api_name} of the API")
        seen.add(each.api_name)
        if each.name in {name, plural}:
            raise WrongField(f"{each.name}: a field has the name of the resource")
        if options.get("public" if each.name == "is_public" else each.name):
            raise WrongField(f"{each.name}: an option of the resource adds this name")
        if each.target and not is_user(each.target):
            refuse_without_factory(each)


def refuse_without_factory(given: Field) -> None:
    module = f"{given.target._meta.app_config.name}.tests.factories"
    name = f"{given.target.__name__}Factory"
    if find_spec(module) is None or not hasattr(import_module(module), name):
        raise WrongField(f"{given.name}: the tests need a {name} in {module.replace('.', '/')}.py")


def read_field(text: str) -> Field:
    """Return the field that `name:type[:options]` describes. Raises WrongField."""
    name, _, rest = text.partition(":")
    refuse_wrong_field_name(name)
    kind_name, *options = rest.split(":")
    kind = KINDS.get(kind_name)
    if kind is None:
        raise WrongField(f"{name}: there is no type {kind_name or '(empty)'!r}, only {', '.join(KINDS)}")
    given = [option for option in options if option in OPTIONS]
    arguments = [option for option in options if option not in OPTIONS]
    if len(arguments) > 1 or len(set(given)) != len(given) or {"unique", "unique-global"} <= set(given):
        raise WrongField(f"{name}: {':'.join(options)!r} has an option twice")
    unique = next((option for option in given if option != "null"), "")
    if unique and kind.sequence is None:
        raise WrongField(f"{name}: a {kind.name} cannot be unique")
    if kind.name == "choice" and name == "meta":
        raise WrongField(f"{name}: the class of its choices would be the Meta of the model")
    if kind.name == "choice" and is_of_python(class_of(name)):
        raise WrongField(f"{name}: the class of its choices would be the {class_of(name)} of Python")
    argument = arguments[0] if arguments else ""
    values = READERS[kind.name](name, argument) if kind.name in READERS else no_argument(name, argument)
    field = Field(name, kind, "null" in given, unique, **values)
    if unique:
        refuse_wrong_unique(field)
    return field


def refuse_wrong_unique(given: Field) -> None:
    """Raise WrongField for a type with this argument that cannot be unique."""
    if given.kind.name == "str" and length_of(given) > MAX_UNIQUE_LENGTH:
        raise WrongField(f"{given.name}: a unique text has {MAX_UNIQUE_LENGTH} characters at most")
    if given.kind.name == "decimal":
        digits, places = digits_of(given)
        if digits - places < MIN_UNIQUE_DIGITS:
            raise WrongField(
                f"{given.name}: a unique decimal has {MIN_UNIQUE_DIGITS} digits before the point or more"
            )
    if given.is_user and not given.null:
        raise WrongField(
            f"{given.name}: a unique user must be null, since a caller may name no other than himself"
        )


def no_argument(name: str, argument: str) -> dict[str, Any]:
    if argument:
        raise WrongField(f"{name}: {argument!r} is no option; there are {', '.join(OPTIONS)}")
    return {}


def read_length(name: str, argument: str) -> dict[str, Any]:
    if argument and not (argument.isdecimal() and 1 <= int(argument) <= MAX_LENGTH):
        raise WrongField(
            f"{name}: {argument!r} is neither an option ({', '.join(OPTIONS)}) nor a length of 1 to {MAX_LENGTH}"
        )
    return {"argument": argument}


def read_digits(name: str, argument: str) -> dict[str, Any]:
    digits, _, places = argument.partition(",")
    right = digits.isdecimal() and places.isdecimal() and int(places) < int(digits) <= MAX_DIGITS
    if argument and not right:
        raise WrongField(
            f"{name}: {argument!r} is neither an option ({', '.join(OPTIONS)}) nor digits and decimal places, "
            f"such as 12,2, of at most {MAX_DIGITS},{MAX_DIGITS - 1}"
        )
    return {"argument": argument}


def read_choices(name: str, argument: str) -> dict[str, Any]:
    choices = argument.split(",")
    wrong = [choice for choice in choices if not CHOICE.fullmatch(choice)]
    if len(choices) < 2 or len(set(map(constant, choices))) != len(choices) or wrong:
        raise WrongField(
            f"{name}: name two or more different choices, in lower case from a letter on, such as draft,sent,paid"
        )
    return {"choices": tuple(choices)}


def read_target(name: str, argument: str) -> dict[str, Any]:
    models = targets()
    known = ", ".join(sorted(each._meta.label for each in models))
    try:
        model = apps.get_model(argument)
    except (LookupError, ValueError):
        raise WrongField(
            f"{name}: {argument or '(empty)'!r} is no model; a foreign key may lead to {known}"
        ) from None
    if model not in models:
        raise WrongField(
            f"{name}: whose a {model._meta.label} is does not follow from an `owner` of its `access`; "
            f"write this field by hand, or use {known}"
        )
    return {"target": model}


def targets() -> list[Any]:
    """Return the models of apps of this project whose rows have an owner, and the user model."""
    return [
        model
        for model in apps.get_models()
        if issubclass(model, BaseModel)
        and model._meta.app_config.name.partition(".")[0] != "core"
        and (owner_path(model) or is_user(model))
    ]


READERS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "str": read_length,
    "decimal": read_digits,
    "choice": read_choices,
    "fk": read_target,
}
