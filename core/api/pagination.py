"""Pagination by `page` or `cursor`, and `limit`; the response has `meta`."""

import re
from functools import cache
from typing import Any

from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.cursor import keyset_page
from core.web.errors import FieldError

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
DEEP = 1000
MAX_INTEGER = 10**15 - 1  # every JSON parser holds this exactly (RFC 8259, 6)
DIGITS = re.compile(r"[0-9]{1,15}")

# The schemas of `meta`, for OpenAPI.
PAGE_META: dict[str, Any] = {
    "type": "object",
    "description": "Of a numbered page.",
    "required": ["page", "limit", "total", "totalPages"],
    "properties": {
        "page": {"type": "integer", "minimum": 1, "examples": [1]},
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "examples": [DEFAULT_LIMIT]},
        "total": {"type": "integer", "minimum": 0, "examples": [1]},
        "totalPages": {"type": "integer", "minimum": 0, "examples": [1]},
    },
}
CURSOR_META: dict[str, Any] = {
    "type": "object",
    "description": "With `cursor`. Null where the list ends.",
    "required": ["limit", "nextCursor", "prevCursor"],
    "properties": {
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "examples": [DEFAULT_LIMIT]},
        "nextCursor": {"type": ["string", "null"]},
        "prevCursor": {"type": ["string", "null"]},
    },
}
CURSOR_PARAMETER: dict[str, Any] = {
    "name": "cursor",
    "in": "query",
    "required": False,
    "description": "In place of `page`: empty to start, then `nextCursor` or `prevCursor` of the response before. "
    "It costs the same however deep, and no row is seen twice or missed.",
    "schema": {"type": "string"},
}


class Pagination(BasePagination):
    """Numbered pages with a total, or with `cursor` a keyset without one."""

    parameters = frozenset({"page", "limit", "cursor"})

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        page, limit = read_page(request)
        cursor = request.query_params.get("cursor")
        if cursor is not None:
            if "page" in request.query_params:
                raise FieldError("cursor", "invalid", "Either cursor or page.")
            rows, self.meta = keyset_page(queryset, cursor, limit)
            return rows
        total = queryset.count()
        self.meta = page_meta(page, limit, total)
        offset = (page - 1) * limit
        if offset >= total:
            return []
        if offset >= DEEP:
            # The rows before the page are skipped in the index alone; only those of the page are read.
            ids = list(queryset.values_list("pk", flat=True)[offset : min(offset + limit, total)])
            return list(queryset.filter(pk__in=ids))
        return list(queryset[offset : min(offset + limit, total)])

    def get_paginated_response(self, data: Any) -> Response:
        return with_meta(data, self.meta)

    def get_schema_operation_parameters(self, _view: Any) -> list[dict[str, Any]]:
        return [
            integer_parameter("page", 1, None, "From 1, the default. A page past the end is an empty list."),
            CURSOR_PARAMETER,
            integer_parameter(
                "limit", 1, MAX_LIMIT, f"How many objects a page holds; {DEFAULT_LIMIT} by default."
            ),
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema  # core.openapi.schema adds the envelope with its meta


def with_meta(data: Any, meta: dict[str, Any]) -> Response:
    response = Response(data)
    response.meta = meta  # type: ignore[attr-defined]  # the renderer adds it next to the data
    return response


def read_page(request: Request) -> tuple[int, int]:
    """Return the page number and the limit. Raises FieldError."""
    return read_integer(request, "page", 1), read_integer(request, "limit", DEFAULT_LIMIT, MAX_LIMIT)


def page_meta(page: int, limit: int, total: int) -> dict[str, int]:
    return {"page": page, "limit": limit, "total": total, "totalPages": -(-total // limit)}


def read_integer(request: Request, name: str, default: int, maximum: int | None = None) -> int:
    """Return a positive integer of the query string, of at most `maximum`. Raises FieldError for any other text."""
    text = request.query_params.get(name)
    if text is None:
        return default
    value = int(text) if DIGITS.fullmatch(text) else 0
    if value < 1 or (maximum is not None and value > maximum):
        bound = f"from 1 to {maximum}" if maximum else "from 1"
        params = {"min": 1, "max": maximum} if maximum else {"min": 1}
        raise FieldError(name, "invalid", f"Must be a whole number {bound}.", params=params)
    return value


def integer_parameter(name: str, minimum: int, maximum: int | None, text: str) -> dict[str, Any]:
    """Return the parameter without `default`: a generated client sends it, and `page` next to `cursor` is a 400."""
    schema: dict[str, Any] = {"type": "integer", "minimum": minimum}
    schema["maximum"] = maximum or MAX_INTEGER
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}


# Where the paginators and filter backends of REST framework have the names of their parameters.
PARAMETER_NAMES = (
    *("page_query_param", "page_size_query_param", "limit_query_param", "offset_query_param"),
    *("cursor_query_param", "search_param", "ordering_param"),
)


@cache
def parameters_of(*classes: Any) -> frozenset[str]:
    """Return the parameters that these paginators or filter backends read from the query."""
    names: set[str] = set()
    for each in classes:
        names |= getattr(each, "parameters", frozenset())
        names |= {name for item in PARAMETER_NAMES if (name := getattr(each, item, None))}
    return frozenset(names)
