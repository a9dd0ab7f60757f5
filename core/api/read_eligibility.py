"""The rule for reads that may be compiled: the framework has written every part of them.

A compiled statement serves every caller. So it may depend on nothing but what its key and its
placeholders hold: the caller's reach and id, the order, the filters and the fields. Code that an author overrides may
depend on anything. Such a read is plain Django REST framework, without a flag. `manage.py show_access` prints the
reason.
"""

from collections.abc import Hashable
from functools import cache
from typing import Any

from django import forms
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Subquery, Value
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce
from django.db.models.signals import post_init, pre_init
from rest_framework.permissions import BasePermission

from core.api import eligible_fields
from core.api.filters import FilterBackend, SortBackend, parameters_in
from core.api.overrides import override_of
from core.api.pagination import Pagination
from core.api.relations import is_of_another_row
from core.api.serializers import VersionField
from core.db.access import Access, is_declared, is_declared_to_the_top, levels
from core.db.array_subquery import OrderedValues
from core.db.databases import ROUTER
from core.db.owner_versions import is_watched
from core.db.replica import reading_from
from core.web.renderers import EnvelopeRenderer

# No read calls these.
WRITE_HOOKS = frozenset(
    {
        *("create", "perform_create", "update", "partial_update", "perform_update"),
        *("destroy", "perform_destroy", "perform_bulk_destroy"),
        *("locked_object", "record", "record_bulk"),
    }
)
# The hooks that decide how an object is shown.
SHOWING_HOOKS = frozenset(
    {"get_object", "get_serializer", "get_serializer_class", "get_serializer_context", "response_with"}
)
# The attributes that the dispatcher and the router set on a viewset for each request, and those that a route may set.
PER_REQUEST = frozenset(
    {
        *(
            "request",
            "args",
            "kwargs",
            "headers",
            "action",
            "action_map",
            "format_kwarg",
            "refused_credentials",
        ),
        *("basename", "detail", "suffix", "name", "description", "deleted"),
        *("get", "head", "post", "put", "patch", "delete", "options", "trace"),
        *(
            "authentication_classes",
            "throttle_classes",
        ),  # no rows depend on them; core/api/cache.py gives its own
    }
)
ROW_CONSTRUCTION = frozenset(
    {"__init__", "__new__", "__getattr__", "__getattribute__", "__setattr__", "from_db"}
)


@cache
def refusal_of(view_class: Hashable, serializer_class: Hashable) -> str | None:
    """Return what keeps the reads of a viewset from being compiled, or None."""
    return find_refusal(view_class, serializer_class)


def find_refusal(view_class: Any, serializer_class: Any) -> str | None:
    return (
        refusal_of_view(view_class)
        or refusal_of_rows(view_class.queryset)
        or eligible_fields.refusal_of(serializer_class)
        or refusal_of_annotations(view_class.queryset, serializer_class)
        or refusal_of_repetition(serializer_class)
    )


def refusal_of_view(view_class: Any) -> str | None:
    if (hook := override_of(view_class, allowed=WRITE_HOOKS)) is not None:
        return hook
    if getattr(view_class, "filterset_fields", None) and view_class.filterset_class is None:
        return f"{view_class.__name__}.filterset_fields"
    if list(view_class.filter_backends) != [FilterBackend, SortBackend]:
        return f"{view_class.__name__}.filter_backends"
    if view_class.pagination_class is not Pagination:
        return f"{view_class.__name__}.pagination_class"
    if list(view_class.renderer_classes) != [EnvelopeRenderer]:
        return f"{view_class.__name__}.renderer_classes"
    model = view_class.queryset.model
    if any(is_of_another_row(model, path) for path in view_class.sort_fields.values()):
        return f"{view_class.__name__}.sort_fields"
    if view_class.lookup_field != "pk":
        return f"{view_class.__name__}.lookup_field"
    for permission in view_class.permission_classes:
        if getattr(permission, "has_object_permission", None) is not BasePermission.has_object_permission:
            return f"{getattr(permission, '__name__', permission)}.has_object_permission"
    return refusal_of_filters(view_class.filterset_class) if view_class.filterset_class else None


def refusal_of_filters(filterset_class: Any) -> str | None:
    """Return the author's part of a filterset, or None. A form may refuse values that its fields take."""
    if getattr(getattr(filterset_class, "Meta", None), "form", forms.Form) is not forms.Form:
        return f"{filterset_class.__name__}.Meta.form"
    return override_of(filterset_class)


def refusal_of_rows(rows: Any) -> str | None:
    model = rows.model
    for each in levels(model) or [model]:
        queryset_class = type(rows if each is model else each._default_manager.all())
        if type(getattr(each, "access", None)) is not Access or not is_declared(queryset_class):
            return f"{each.__name__} declares no access"
    if not is_declared_to_the_top(model):
        return f"the parents of {model.__name__}"
    with reading_from(DEFAULT_DB_ALIAS):  # the statement is compiled for both; the rows of an author are not
        is_elsewhere = rows.db != DEFAULT_DB_ALIAS
    if is_elsewhere or any(router != ROUTER for router in settings.DATABASE_ROUTERS):
        return "more than one database"
    if pre_init.has_listeners(model) or post_init.has_listeners(model):
        return f"a signal when a {model.__name__} is read"
    if (hook := override_of(type(rows))) is not None:
        return hook
    if (hook := override_of(model, among=ROW_CONSTRUCTION)) is not None:
        return hook
    return f"a condition in the queryset of {model.__name__}" if has_condition(rows) else None


def has_condition(rows: Any) -> bool:
    """Return whether the queryset may leave out rows of its model."""
    query = rows.query
    return bool(query.where or query.distinct or query.combinator or query.is_sliced)


def refusal_of_annotations(rows: Any, serializer_class: Any) -> str | None:
    """Return the first field that is neither a column nor an annotation of the class's queryset, or None."""
    if serializer_class.Meta.model is not rows.model:
        return f"the model of {serializer_class.__name__}"
    for name, field in serializer_class().fields.items():
        if type(field) is VersionField:
            continue
        if eligible_fields.column_of(rows.model, field.source) is None:
            annotation = rows.query.annotations.get(field.source)
            if not is_constant(annotation) or not eligible_fields.is_same_value(
                field, annotation.output_field
            ):
                return f"the field {name} of {serializer_class.__name__}"
    return None


def refusal_of_repetition(serializer_class: Any) -> str | None:
    """Return the reason why a row of the statement is ambiguous: two fields show one column."""
    columns = ["version" if source == "etag" else source for source in sources_of(serializer_class).values()]
    return (
        f"a column that {serializer_class.__name__} shows twice" if len({*columns}) < len(columns) else None
    )


def is_constant(annotation: Any) -> bool:
    """Return whether the expression reads columns and nothing else: any value in it could be one of the moment."""
    if isinstance(annotation, CombinedExpression | Coalesce):
        return all(map(is_constant, annotation.get_source_expressions()))
    if isinstance(annotation, Value):
        return type(annotation.value) is int
    if type(annotation) not in {OrderedValues, Subquery}:
        return False
    _sql, params = annotation.query.get_compiler(connection=connection).as_sql()
    return all(type(param) is int for param in params)


@cache
def shows_its_row_only(model: Any, view_class: Any, serializer_class: Any) -> bool:
    """Return whether all that is shown of a row changes with its version: each field shows a column of the row, or an
    attribute in the model's `etag_covers`. An ETag covers neither other rows nor the values that code of the view's
    author reads, such as the caller's role."""
    if (
        override_of(view_class, among=SHOWING_HOOKS) is not None
        or override_of(serializer_class, allowed=eligible_fields.INPUT_HOOKS) is not None
    ):
        return False
    covers = getattr(model, "etag_covers", ())
    return getattr(getattr(serializer_class, "Meta", None), "model", None) is model and all(
        field.write_only or field.source in covers or eligible_fields.shows_column(model, field)
        for field in serializer_class().fields.values()
    )


@cache
def refusal_of_etag(view_class: Any, serializer_class: Any) -> str | None:
    """Return what keeps the lists of a viewset from having an ETag, whatever the request, or None: it covers only rows
    of the caller whose changes renew the caller's version, and columns of these."""
    if view_class.queryset is None:
        return f"{view_class.__name__} has no `queryset`"
    model = view_class.queryset.model
    access: Access | None = getattr(model, "access", None)
    if access is None or not access.is_by_owner_only:
        return f"the `access` of {model.__name__} is not by an `owner` of the row itself alone"
    if not is_watched(model):
        return f"no change of a {model.__name__} renews the version of its owner"
    if (reason := refusal_of(view_class, serializer_class)) is not None:
        return f"its reads are not compiled, because of {reason}"
    if not shows_its_row_only(model, view_class, serializer_class):
        return f"{serializer_class.__name__} shows what changes without the row"
    foreign = [name for name, path in view_class.sort_fields.items() if not is_own_column(model, path)]
    return f"its sort {foreign[0]} is by no column of the row" if foreign else None


def compares_own_columns(view: Any) -> bool:
    """Return whether the list is filtered by plain comparisons of columns of its rows."""
    filters = parameters_in(view.filterset_class)
    return all(
        name in view.model.etag_covers
        or (filters[name].method is None and is_own_column(view.model, filters[name].field_name))
        for name in view.request.query_params
        if name in filters
    )


def is_own_column(model: Any, name: str) -> bool:
    return name in model.etag_covers or eligible_fields.column_of(model, name) is not None


def is_configured(view: Any) -> bool:
    """Return whether the route has attributes of its own, as by `as_view(queryset=…)`."""
    return any(not name.startswith("_") for name in view.__dict__.keys() - PER_REQUEST)


def columns_of(view: Any) -> dict[str, str] | None:
    """Return {field: column or annotation} of what a compiled read of this view selects; None for a plain read."""
    if is_configured(view):
        return None
    serializer_class: Any = view.get_serializer_class()
    view_class: Any = type(view)
    if refusal_of(view_class, serializer_class) is not None:
        return None
    return sources_of(serializer_class)


@cache
def sources_of(serializer_class: Any) -> dict[str, str]:
    return {name: str(field.source) for name, field in serializer_class().fields.items()}
