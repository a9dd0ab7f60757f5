"""The compiled reads of a viewset (core/db/statements.py): the same rows as its querysets return, in less time.

Only reads of which the framework has written every part are compiled (core/api/read_eligibility.py). The key of a
statement holds the caller's reach and scope, never the caller. Its placeholders are the caller's id and the values of
the filters.
"""

import copy
import inspect
from collections.abc import Callable
from typing import Any

from django import forms
from django.db.models import DateTimeField, QuerySet
from django.http import Http404

from core.api.eligible_fields import TEXT_COLUMNS, column_of
from core.api.filters import DateTimeFilter, MultiChoiceFilter, parameters_in, refuse_ignored, sort_order
from core.api.operators import ChoiceInFilter
from core.api.overrides import is_framework
from core.api.pagination import DEEP, page_meta, read_page
from core.api.read_eligibility import columns_of
from core.api.relations import ordered
from core.db import statements as compiled
from core.db.base import BaseModel, etag_of
from core.db.statements import Statement, UncompilableError, statement_cache

TOTAL = "total_of_rows"
ETAG = "etag"  # the source of a VersionField
COMPARISONS = frozenset({"exact", "gte", "gt", "lte", "lt"})
Rows = Callable[[], QuerySet[Any]]


def read_list(
    view: Any, rows: Rows, fields: frozenset[str] | None
) -> tuple[list[dict[str, Any]], Any] | None:
    """Return a page of `rows`, a bound method of the view, and its `meta`. Return None for a plain read: on another
    database, of a view with code of its author, with a cursor or a filter that is more than a comparison."""
    columns = columns_for(view)
    query = view.request.query_params
    if columns is None or "cursor" in query or not view.sort_fields or not is_framework_method(rows):
        return None
    filters = filter_values(view, query)
    if filters is None:
        return None
    order = sort_order(query, view)
    page, limit = read_page(view.request)
    if (page - 1) * limit >= DEEP:
        return None
    names = tuple(name for name in columns if fields is None or name in fields)
    selected = selected_for(columns, names)
    first = limit if page == 1 else None
    key = (type(view), view.action, *view.reach(), tuple(order), names, tuple(filters), first)
    user = view.request.user.pk
    values = {"user": user, "limit": limit, "offset": (page - 1) * limit, **filters}
    statement = statement_cache.get(key)
    if statement is None:
        try:
            page_rows = page_statement(view, rows, filters, order, selected)
        except UncompilableError:
            return None
        statement = compiled.store(key, compiled.with_limit(page_rows, first))
    page_of_rows = statement.run(values)
    if not page_of_rows and page > 1:
        total = statement.run(values | {"limit": 1, "offset": 0})
        return [], page_meta(page, limit, total[0][-1] if total else 0)
    listed = [dict(zip(names, row, strict=False)) for row in page_of_rows]  # more columns follow the names
    for name in (name for name in names if columns[name] == ETAG):
        for shown, row in zip(listed, page_of_rows, strict=True):
            shown[name] = etag_in(row, selected).strip('"')
    return listed, page_meta(page, limit, page_of_rows[0][-1] if page_of_rows else 0)


def read_object(view: Any, fields: frozenset[str] | None) -> tuple[dict[str, Any], str] | None:
    """Return a row and its ETag, or None for a plain read. Raises Http404 where the caller may not see the row."""
    columns = columns_for(view)
    if (
        columns is None or view.model.etag is not BaseModel.etag
    ):  # an author may derive it from more than the version
        return None
    names = tuple(name for name in columns if fields is None or name in fields)
    selected = selected_for(columns, names)
    key = (type(view), view.action, *view.reach(), names)
    statement = statement_cache.get(key)
    if statement is None:
        try:
            statement = compiled.store(key, object_statement(view, selected))
        except UncompilableError:
            return None
    rows = statement.run({"user": view.request.user.pk, "pk": view.kwargs["pk"]})
    if not rows:
        raise Http404
    etag = etag_in(rows[0], selected)
    shown = dict(zip(names, rows[0], strict=False))
    return shown | {name: etag.strip('"') for name in names if columns[name] == ETAG}, etag


def selected_for(columns: dict[str, str], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of a statement: those of the names in their order, then those of the ETag."""
    own = ("version" if columns[name] == ETAG else columns[name] for name in names)
    return tuple(dict.fromkeys((*own, "version", "updated_at")))


def etag_in(row: tuple[Any, ...], selected: tuple[str, ...]) -> str:
    return etag_of(row[selected.index("version")], row[selected.index("updated_at")])


def columns_for(view: Any) -> dict[str, str] | None:
    if not compiled.applies() or not view.request.user.is_authenticated:
        return None
    columns = columns_of(view)
    if columns is None or (ETAG in columns.values() and view.model.etag is not BaseModel.etag):
        return None
    return columns


def is_framework_method(rows: Any) -> bool:
    """Return whether the rows are those of a method of the framework's, and not of an action of somebody's own."""
    return inspect.ismethod(rows) and is_framework(rows.__func__)


def filter_values(view: Any, query: Any) -> dict[str, Any] | None:
    """Return {slot: value} of the filters in the query. Return None if one of them is not a plain comparison, or has a
    wrong value, which the plain path reports."""
    filters = parameters_in(view.filterset_class)
    given = sorted(filters.keys() & query.keys())
    if not given:
        return {}
    refuse_ignored(query, filters)
    values = {}
    for name in given:
        item = filters[name]
        try:
            if item.method is not None or item.exclude:
                return None
            column = type(column_of(view.model, item.field_name))
            if is_list_of_choices(item) and column in TEXT_COLUMNS:
                given_here = item.field.widget.value_from_datadict(query, None, name)
                for index, choice in enumerate(dict.fromkeys(item.field.clean(given_here))):
                    values[f"{name}.{index}"] = choice
            elif type(item) is DateTimeFilter and item.lookup_expr in COMPARISONS and column is DateTimeField:
                values[name] = item.field.clean(query[name])
            else:
                return None
        except forms.ValidationError:
            return None
    return values


def is_list_of_choices(item: Any) -> bool:
    return (type(item), item.lookup_expr) in {(MultiChoiceFilter, "exact"), (ChoiceInFilter, "in")}


def page_statement(
    view: Any, rows: Rows, filters: dict[str, Any], order: list[str], columns: tuple[str, ...]
) -> Statement:
    queryset, stand_ins = probed(view, rows)
    chosen: dict[str, Any] = {}
    for slot, value in filters.items():
        name, _, several = slot.partition(".")
        stand_ins[slot] = compiled.placeholder_for(value)
        chosen[name] = [*chosen.get(name, []), stand_ins[slot]] if several else stand_ins[slot]
    for name, value in chosen.items():
        queryset = view.filterset_class.base_filters[name].filter(queryset, value)
    queryset = compiled.with_total(ordered(queryset, order, view.request.user), TOTAL).values_list(
        *columns, TOTAL
    )
    return compiled.compiled(queryset, stand_ins)


def object_statement(view: Any, columns: tuple[str, ...]) -> Statement:
    queryset, stand_ins = probed(view, view.rows_in_state)
    stand_ins["pk"] = compiled.placeholder_for(view.kwargs["pk"])
    queryset = queryset.filter(pk=stand_ins["pk"]).values_list(*columns)
    return compiled.compiled(queryset, stand_ins)


def probed(view: Any, rows: Rows) -> tuple[QuerySet[Any], dict[str, Any]]:
    """Return the rows of the view for a user of the caller's role whose id is a placeholder."""
    probe = copy.copy(view)
    probe.request = copy.copy(view.request)
    somebody = compiled.placeholder_user(view.request.user)
    probe.request.user = somebody
    try:
        return rows.__func__(probe), {"user": somebody.pk}  # type: ignore[attr-defined]
    finally:
        probe.request.user = view.request.user  # the setter of the copy has set it on Django's request too
