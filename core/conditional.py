"""Conditional requests (RFC 9110, 13): If-None-Match on reads, If-Match on writes, both against the version."""

from typing import Any

from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import ApiError

# How OpenAPI says which header a request may bear.
PARAMETERS: dict[str, dict[str, Any]] = {
    name: {
        "name": name,
        "in": "header",
        "description": text,
        "schema": {"type": "string"},
        "example": '"v1"',
    }
    for name, text in (
        ("If-Match", "Write only if the object still has this ETag."),
        ("If-None-Match", "Answer 304 without a body if the object still has this ETag."),
    )
}


def not_modified(request: Request, instance: Any) -> Response | None:
    """A 304 when the client holds this version already. The comparison is weak, as the RFC asks for reads."""
    header = request.META.get("HTTP_IF_NONE_MATCH")
    if not header:
        return None
    held = {tag.removeprefix("W/") for tag in parse_etags(header)}
    if "*" not in held and instance.etag not in held:
        return None
    return Response(status=304, headers={"ETag": instance.etag, "Cache-Control": "private, no-cache"})


def check_if_match(request: Request, instance: Any) -> None:
    """Raises ApiError PRECONDITION_FAILED on a stale If-Match. Call it with the row locked, or it proves nothing."""
    header = request.META.get("HTTP_IF_MATCH")
    if header is None:
        return
    wanted = parse_etags(header)
    if wanted != ["*"] and instance.etag not in wanted:
        raise ApiError("PRECONDITION_FAILED")
