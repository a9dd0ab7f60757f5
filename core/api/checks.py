"""System checks of viewsets: filters by a part of a text, which read every row of a list unless an index serves them;
`watched_lists` and `deprecations` without effect."""

from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.indexes import OpClass
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.db.models import F
from django.db.models.functions import Upper

from core.api.filters import path_of
from core.api.overrides import override_of
from core.api.read_eligibility import refusal_of_etag
from core.api.relations import field_of
from core.api.routers import viewsets
from core.api.row_access import model_of

TRIGRAMS = ("gin_trgm_ops", "gist_trgm_ops")
PREFIXES = (*TRIGRAMS, "text_pattern_ops", "varchar_pattern_ops")
# {lookup: (the operator classes that serve it, whether it compares UPPER of the column)}
TEXT_LOOKUPS: dict[str, tuple[tuple[str, ...], bool]] = {
    "contains": (TRIGRAMS, False),
    "endswith": (TRIGRAMS, False),
    "regex": (TRIGRAMS, False),
    "startswith": (PREFIXES, False),
    "icontains": (TRIGRAMS, True),
    "iendswith": (TRIGRAMS, True),
    "istartswith": (PREFIXES, True),
    "iexact": (PREFIXES, True),
    "iregex": (TRIGRAMS, False),  # `~*` compares the column itself
}


@register("core")
def check_watched_lists(**_options: Any) -> list[CheckMessage]:
    return [problem for view_class in viewsets() for problem in etag_problems_of(view_class)]


def etag_problems_of(view_class: Any) -> Iterator[CheckMessage]:
    """Yield a warning for each of the `watched_lists` of a viewset that never has an ETag."""
    for action in sorted(getattr(view_class, "watched_lists", ())):
        reason = refusal_of_list(view_class, action)
        if reason is not None:
            yield CheckWarning(
                f"`watched_lists` of {view_class.__name__} has no effect on {action!r}: {reason}.",
                hint=f"Remove {action!r} from `watched_lists`: the list is read anew by each request, without an ETag.",
                obj=view_class,
                id="core.W005",
            )


def refusal_of_list(view_class: Any, action: str) -> str | None:
    if action not in view_class.list_actions:
        return "it has no such list"
    if override_of(view_class, among=frozenset({"get_serializer_class"})) is not None:
        return refusal_of_etag(view_class, view_class.serializer_class)
    return refusal_of_etag(view_class, view_class(action=action).get_serializer_class())


@register("core")
def check_deprecations(**_options: Any) -> list[CheckMessage]:
    return [
        Error(
            f"`deprecations` of {view_class.__name__} names {action!r}, which it does not have.",
            hint="Name an action, such as `list` or `partial_update`.",
            obj=view_class,
            id="core.E010",
        )
        for view_class in viewsets()
        for action in sorted(getattr(view_class, "deprecations", ()))
        if not hasattr(view_class, action)
    ]


@register("core")
def check_text_filters(**_options: Any) -> list[CheckMessage]:
    return [problem for view_class in viewsets() for problem in problems_of(view_class)]


def problems_of(view_class: Any) -> Iterator[CheckMessage]:
    """Yield a warning for each filter of the viewset that no declared index of PostgreSQL serves."""
    filters = getattr(getattr(view_class, "filterset_class", None), "base_filters", {})
    for name, item in filters.items():
        path, _, lookup = path_of(item).rpartition("__")
        model, column = column_at(model_of(view_class) if path else None, path)
        if lookup not in TEXT_LOOKUPS or column is None or is_served(model, column, lookup):
            continue
        classes, is_folded = TEXT_LOOKUPS[lookup]
        yield CheckWarning(
            f"The filter {name} of {view_class.__name__} has no index: it reads each row that the caller may see.",
            hint=hint_for(model, column, classes, is_folded=is_folded),
            obj=view_class,
            id="core.W004",
        )


def hint_for(model: Any, column: Any, classes: tuple[str, ...], *, is_folded: bool) -> str:
    if is_folded:
        declared = f'GinIndex(OpClass(Upper("{column.name}"), name="{classes[0]}"), name=…)'
        needs = (
            "which needs django.contrib.postgres and no other database; declare the lookup that respects case"
        )
    else:
        declared = f'GinIndex(fields=["{column.name}"], opclasses=["{classes[0]}"], name=…)'
        needs = "with the extension pg_trgm"
    return (
        f"Declare `{declared}` in {model.__name__}.Meta.indexes, {needs}; use the search of core.db.search; "
        "or silence core.W004, where lists stay short."
    )


def column_at(model: Any, path: str) -> tuple[Any, Any]:
    """Return the model and the column that the path leads to; no column for a transform or a relation."""
    *relations, last = path.split("__")
    for name in relations:
        field = field_of(model, name) if model is not None else None
        model = field.related_model if field is not None else None
    column = field_of(model, last) if model is not None else None
    return model, column if getattr(column, "column", None) else None


def is_served(model: Any, column: Any, lookup: str) -> bool:
    classes, is_folded = TEXT_LOOKUPS[lookup]
    if lookup == "startswith" and (column.db_index or column.unique):
        return True  # Django adds an index for LIKE on PostgreSQL
    return any(
        (name, upper) == (column.name, is_folded) and operator_class in classes
        for index in model._meta.indexes
        for name, upper, operator_class in indexed(index)
    )


def indexed(index: Any) -> Iterator[tuple[str, bool, str]]:
    """Yield each column of an index, whether the index has UPPER of it, and its operator class."""
    for name, operator_class in zip(index.fields, index.opclasses, strict=False):
        yield name.removeprefix("-"), False, operator_class
    for expression in index.expressions:
        if not isinstance(expression, OpClass):
            continue
        (value,) = expression.get_source_expressions()
        upper = isinstance(value, Upper)
        column: Any = value.get_source_expressions()[0] if upper else value
        is_column = isinstance(column, F)
        if is_column:
            yield column.name, upper, expression.extra["name"]
