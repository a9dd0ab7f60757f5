"""Sort keys: text columns by which rows are sorted in one order on every database, and through an index.

The collations of PostgreSQL differ between operating systems and their versions, and SQLite has none for Unicode. So
the application computes the key, and the database compares its bytes.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Any

from django.db import models
from django.db.models.query_utils import DeferredAttribute

from core.web.text import fold

MAX_LENGTH = 400  # characters of up to four bytes; an entry of a B-tree may have 2,700 bytes
NUMBER = re.compile(r"\d+")


def sort_key(text: str | None) -> str:
    """Return `text` without case, accents and invisible characters, and with the length of each number before its
    digits, so that `2` sorts before `10`. Texts with equal keys sort in the order of their ids."""
    folded = fold((text or "")[:MAX_LENGTH])
    if not folded.isascii():
        folded = "".join(char for char in folded if unicodedata.category(char) != "Cf")
    return NUMBER.sub(with_length, " ".join(folded.split()))[:MAX_LENGTH]


def with_length(number: re.Match[str]) -> str:
    digits = "".join(str(int(char)) for char in number[0]).lstrip("0")
    return f"{len(digits):03d}{digits}"


class SortKey(DeferredAttribute):
    """The value of a SortKeyField: computed from the source when it is read, so that every way of storing a row
    (`save`, `bulk_create`, `bulk_update`, fixtures, COPY) stores the right one."""

    field: Any

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        return self if instance is None else sort_key(getattr(instance, self.field.source))

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value  # the mark of Django for a column that is not deferred


class SortKeyField(models.CharField):
    """The sort key of another text column of the model, which is a BaseModel: `title_sort = SortKeyField("title")`."""

    descriptor_class = SortKey

    def __init__(self, source: str, **kwargs: Any) -> None:
        self.source = source
        super().__init__(
            **{"max_length": MAX_LENGTH, "default": "", "db_default": "", "editable": False, **kwargs}
        )

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, [self.source, *args], kwargs

    def db_parameters(self, connection: Any) -> Any:
        """Return the type with the collation that compares bytes; SQLite does so by default."""
        collation = "C" if connection.vendor == "postgresql" else None
        return {**super().db_parameters(connection), "collation": collation}


@cache
def sort_key_fields(model: type[models.Model]) -> dict[str, str]:
    """Return {name of the source: name of its key}."""
    return {
        field.source: field.name for field in model._meta.concrete_fields if isinstance(field, SortKeyField)
    }


def with_sort_keys(model: type[models.Model], names: Iterable[str]) -> list[str]:
    """Return names of fields, and those of the keys that are computed from them."""
    names = list(names)
    keys = sort_key_fields(model)
    return list(dict.fromkeys([*names, *(keys[name] for name in names if name in keys)]))


def values_with_sort_keys(model: type[models.Model], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of an `update()`, and those of the keys. Raises TypeError for an expression, whose key only the
    database would know."""
    added = {}
    for source, key in sort_key_fields(model).items():
        if source in values and key not in values:
            if hasattr(values[source], "resolve_expression"):
                raise TypeError(f"update() can't compute {key} from an expression. Use bulk_update().")
            added[key] = sort_key(values[source])
    return {**values, **added}


def fill_sort_keys(model: Any, database: str, *, batch_size: int = 500) -> None:
    """Store the keys of all rows anew, in short transactions. For a migration; it may be interrupted and run again."""
    names = [name for pair in sort_key_fields(model).items() for name in pair]
    rows = model._base_manager.using(database).only(*names).order_by("pk")
    batch = list(rows[:batch_size])
    while batch:
        model._base_manager.using(database).bulk_update(batch, names[1::2])
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:batch_size])
