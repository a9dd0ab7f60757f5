"""Declarations for `manage.py anonymize`: which columns it replaces (core/backups/anonymization.py).

Without a declaration each text of a model of the project is replaced. An app declares the rest in its `privacy.py`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import models

from core.db.sort_keys import SortKeyField

Model = type[models.Model]
Replace = Callable[
    [int, Any], Any
]  # from the number of the row and the present value, which is neither null nor empty


class Derived(NamedTuple):
    """Columns that a function sets from others, which were replaced before. `rows` is the queryset that it needs."""

    columns: tuple[str, ...]
    rows: Callable[[], Any]
    fill: Callable[[Any], None]


emptied: list[Model] = []
preserved: dict[Model, frozenset[str] | None] = {}  # None: all columns
replaced: dict[Model, dict[str, Replace]] = {}
derived: dict[Model, Derived] = {}


def empties(*chosen: Model) -> None:
    """Declare that all rows of these models are deleted."""
    emptied.extend(chosen)


def preserves(model: Model, *columns: str) -> None:
    """Declare that these columns, or all of the model, hold nothing about a person."""
    before = preserved.get(model, frozenset())
    preserved[model] = before | frozenset(columns) if before is not None and columns else None


def replaces(model: Model, **columns: Replace) -> None:
    """Declare functions from the number of a row and the present value of a column to the new value."""
    replaced.setdefault(model, {}).update(columns)


def derives(
    model: Model, *columns: str, rows: Callable[[], Any] | None = None
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Declare a function that sets these columns of a row from the replaced ones. `rows` returns a queryset with what
    it reads."""

    def register(fill: Callable[[Any], None]) -> Callable[[Any], None]:
        derived[model] = Derived(columns, rows or (lambda: models.QuerySet(model)), fill)
        return fill

    return register


FILLER = "Sample text of a copy without personal data. "
HARMLESS = (
    models.AutoField,
    models.BooleanField,
    models.DateField,
    models.DecimalField,
    models.DurationField,
    models.FloatField,
    models.IntegerField,
    models.TimeField,
    models.UUIDField,
    SortKeyField,  # follows the column that it sorts
)
# The first class that a field is of has the function for it: a field, and the number and value of a row.
KINDS: dict[type[Any], Callable[[Any, int, Any], Any]] = {
    models.EmailField: lambda _field, number, _value: f"user{number}@example.com",
    models.URLField: lambda _field, number, _value: f"https://example.com/{number}",
    models.SlugField: lambda field, number, _value: fitting(f"{field.name}-{number}", field),
    models.CharField: lambda field, number, _value: fitting(
        f"{field.name.replace('_', ' ')} {number}", field
    ),
    models.TextField: lambda _field, _number, value: (FILLER * (len(value) // len(FILLER) + 1))[: len(value)],
    models.GenericIPAddressField: lambda field, _number, _value: (
        "2001:db8::1" if field.protocol.lower() == "ipv6" else "192.0.2.1"  # RFC 3849, RFC 5737
    ),
    models.JSONField: lambda _field, _number, value: masked(value),
    models.BinaryField: lambda _field, _number, _value: b"",
}


def fitting(text: str, field: Any) -> str:
    """Return the end of the text, which has the number, where the column is shorter."""
    return text if field.max_length is None else text[-field.max_length :]


def masked(value: Any) -> Any:
    """Return a JSON value with its names and numbers, and other strings."""
    if isinstance(value, str):
        return value and "text"
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, dict):
        return {name: masked(item) for name, item in value.items()}
    return value


def replacements(model: Model) -> tuple[dict[str, Replace], list[str]]:
    """Return the function of each column that is replaced, and the columns for which a declaration is missing."""
    fields, declared = model._meta.local_concrete_fields, replaced.get(model, {})
    preserved_here = preserved.get(model, frozenset())
    derived_here = derived[model].columns if model in derived else ()
    if not (model._meta.managed or model in preserved or declared):
        return {}, ["(unmanaged)"]
    missing = sorted({*declared, *(preserved_here or ()), *derived_here} - {field.name for field in fields})
    functions: dict[str, Replace] = {}
    keys_of_relations = {getattr(relation, "fk_field", "") for relation in model._meta.private_fields}
    for field in () if preserved_here is None else fields:
        if field.name in (*(preserved_here or ()), *derived_here) or field.generated:
            continue
        if field.name in declared and field.primary_key:
            missing.append(field.name)  # rows are written by their keys
        elif field.name in declared:
            functions[field.name] = declared[field.name]
        elif is_harmless(field) or field.name in keys_of_relations:
            continue
        elif kind := next(
            (kind for kind in KINDS if isinstance(field, kind) and not field.primary_key), None
        ):
            functions[field.name] = of_kind(kind, field)
        else:
            missing.append(field.name)
    return functions, missing


def is_harmless(field: Any) -> bool:
    """Return whether a column stays without a declaration; that of a relation if the column of its target does."""
    if isinstance(field, models.ForeignKey):
        return is_harmless(field.target_field)
    return isinstance(field, HARMLESS) or bool(field.choices)


def of_kind(kind: type[Any], field: Any) -> Replace:
    return lambda number, value: KINDS[kind](field, number, value)
