"""Pages: `page` and `limit`, answered with `meta`."""

import re
from typing import Any

from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import FieldError

DEFAULT_LIMIT = 20
MOST = 100
LARGEST = 10**15 - 1  # every JSON parser holds this exactly (RFC 8259, 6)
DIGITS = re.compile(r"[0-9]{1,15}")

# How OpenAPI says what stands in `meta`.
META: dict[str, Any] = {
    "type": "object",
    "required": ["page", "limit", "total", "totalPages"],
    "properties": {
        "page": {"type": "integer", "minimum": 1, "examples": [1]},
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "examples": [DEFAULT_LIMIT]},
        "total": {"type": "integer", "minimum": 0, "examples": [1]},
        "totalPages": {"type": "integer", "minimum": 0, "examples": [1]},
    },
}


class PageNumberPagination(BasePagination):
    parameters = frozenset({"page", "limit"})

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        page = read_integer(request, "page", 1)
        limit = read_integer(request, "limit", DEFAULT_LIMIT, MOST)
        total = queryset.count()
        self.meta = {"page": page, "limit": limit, "total": total, "totalPages": -(-total // limit)}
        offset = (page - 1) * limit
        return list(queryset[offset : offset + limit]) if offset < total else []

    def get_paginated_response(self, data: Any) -> Response:
        response = Response(data)
        response.meta = self.meta  # type: ignore[attr-defined]
        return response

    def get_schema_operation_parameters(self, _view: Any) -> list[dict[str, Any]]:
        return [
            integer_parameter("page", 1, None, 1, "A page past the end is an empty list."),
            integer_parameter("limit", 1, MOST, DEFAULT_LIMIT, "How many objects a page holds."),
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema  # core.schema adds the envelope with its meta


def read_integer(request: Request, name: str, default: int, most: int | None = None) -> int:
    """Raises FieldError unless it is a plain positive integer of at most `most`."""
    text = request.query_params.get(name)
    if text is None:
        return default
    value = int(text) if DIGITS.fullmatch(text) else 0
    if value < 1 or (most is not None and value > most):
        bound = f"from 1 to {most}" if most else "from 1"
        raise FieldError(name, "invalid", f"Must be a whole number {bound}.")
    return value


def integer_parameter(name: str, least: int, most: int | None, default: int, text: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer", "minimum": least, "default": default}
    schema["maximum"] = most or LARGEST
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}
