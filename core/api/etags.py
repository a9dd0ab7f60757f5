"""Conditional requests (RFC 9110, 13): If-None-Match on reads, If-Match on writes, both against the version."""

import re
import time
from typing import Any

from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

from core.web.errors import ApiError

PRIVATE = "private, no-cache"
# The suffix of an ETag whose response has signed URLs: the second when they were signed.
LINKS = re.compile(r'\.(\d{1,12})"$')
# A proxy that compresses changes the ETag: nginx weakens it, Apache and Caddy append the name of the coding.
COMPRESSED = re.compile(r'^W/|-(?:gzip|br|zstd|deflate)(?="$)')
MAX_LINK_AGE_SECONDS = 240  # of the 300 for which they are valid

# The headers of a request, for OpenAPI.
PARAMETERS: dict[str, dict[str, Any]] = {
    name: {
        "name": name,
        "in": "header",
        "description": text,
        "schema": {"type": "string"},
    }
    # Without an example: Swagger UI would send it.
    for name, text in (
        ("If-Match", 'Write only if the object still has this ETag, such as `"v1"`.'),
        ("If-None-Match", 'Respond 304 without a body if the object still has this ETag, such as `"v1"`.'),
    )
}


def not_modified(request: Request, etag: str) -> Response | None:
    """Return a 304 if the client has this version. The comparison is weak, as the RFC requires for reads."""
    header = request.META.get("HTTP_IF_NONE_MATCH")
    if not header:
        return None
    if header == etag:  # as nearly always
        return unchanged(etag)
    tags = tags_in(header)
    current = next((tag for tag in tags if is_good(tag, etag)), etag if "*" in tags else None)
    return None if current is None else unchanged(current)


def tags_in(header: str) -> set[str]:
    """Return the ETags of the header as this API has sent them, also where a proxy has changed them."""
    return {COMPRESSED.sub("", tag) for tag in parse_etags(header)}


def unchanged(etag: str) -> Response:
    return Response(status=304, headers={"ETag": etag, "Cache-Control": PRIVATE})


def with_links(etag: str, made_at: int) -> str:
    """Return the ETag of a response with signed URLs: that of the object, and the second when they were signed."""
    return f'{etag[:-1]}.{made_at}"'


def lasting(etag: str) -> str:
    """Return the ETag without the time of signed URLs."""
    return LINKS.sub('"', etag)


def is_good(held: str, etag: str) -> bool:
    """Return whether the client has this version, and no signed URL that is about to expire."""
    made = LINKS.search(held)
    fresh = made is None or 0 <= time.time() - int(made[1]) < MAX_LINK_AGE_SECONDS
    return fresh and lasting(held) == lasting(etag)


def check_if_match(request: Request, instance: Any) -> None:
    """Raise ApiError PRECONDITION_FAILED, with the current ETag, on a stale If-Match. Call it with the row locked:
    otherwise the version may change before the write."""
    header = request.META.get("HTTP_IF_MATCH")
    if header is None:
        return
    if not matches(header, instance.etag):
        raise ApiError("PRECONDITION_FAILED", headers={"ETag": instance.etag})


def matches(if_match: str, etag: str) -> bool:
    """Return whether an If-Match allows a write to the object with this ETag.

    RFC 9110 requires a strong comparison, which refuses `W/"v1"`. No ETag of this API is weak, so a weak one was
    weakened by a proxy that compresses. It names the same version.
    """
    return if_match.strip() == "*" or lasting(etag) in {lasting(tag) for tag in tags_in(if_match)}
