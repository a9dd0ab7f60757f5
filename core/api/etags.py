"""Conditional requests (RFC 9110, 13): If-None-Match on reads, If-Match on writes, both against the version."""

import re
import time
from typing import Any

from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

from core.web.errors import ApiError

PRIVATE = "private, no-cache"
# In the ETag of an answer with addresses that run out: the second when they were made.
LINKS = re.compile(r'\.(\d{1,12})"$')
# What a proxy that compresses makes of an ETag: nginx weakens it, Apache and Caddy append the name of the coding.
COMPRESSED = re.compile(r'^W/|-(?:gzip|br|zstd|deflate)(?="$)')
LINKS_STAY_GOOD_SECONDS = 240  # of the 300 that they live

# How OpenAPI says which header a request may bear.
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
        ("If-None-Match", 'Answer 304 without a body if the object still has this ETag, such as `"v1"`.'),
    )
}


def not_modified(request: Request, etag: str) -> Response | None:
    """A 304 when the client holds this version already. The comparison is weak, as the RFC asks for reads."""
    header = request.META.get("HTTP_IF_NONE_MATCH")
    if not header:
        return None
    if header == etag:  # as nearly always
        return unchanged(etag)
    held = tags_in(header)
    good = next((tag for tag in held if is_good(tag, etag)), etag if "*" in held else None)
    if good is None:
        return None
    return unchanged(good)


def tags_in(header: str) -> set[str]:
    """Return the ETags of the header as this API has sent them, also where a proxy has changed them."""
    return {COMPRESSED.sub("", tag) for tag in parse_etags(header)}


def unchanged(etag: str) -> Response:
    return Response(status=304, headers={"ETag": etag, "Cache-Control": PRIVATE})


def with_links(etag: str, made_at: int) -> str:
    """The ETag of an answer that holds addresses which run out: the same object, said at this second."""
    return f'{etag[:-1]}.{made_at}"'


def lasting(etag: str) -> str:
    """The part that names the version."""
    return LINKS.sub('"', etag)


def is_good(held: str, etag: str) -> bool:
    """Whether a client need not ask again: it holds this version, and no addresses that are about to run out."""
    made = LINKS.search(held)
    fresh = made is None or 0 <= time.time() - int(made[1]) < LINKS_STAY_GOOD_SECONDS
    return fresh and lasting(held) == lasting(etag)


def check_if_match(request: Request, instance: Any) -> None:
    """Raises ApiError PRECONDITION_FAILED, with the current ETag, on a stale If-Match. Call it with the row locked, or
    it proves nothing."""
    header = request.META.get("HTTP_IF_MATCH")
    if header is None:
        return
    if not matches(header, instance.etag):
        raise ApiError("PRECONDITION_FAILED", headers={"ETag": instance.etag})


def matches(if_match: str, etag: str) -> bool:
    """Return whether an If-Match allows a write to what has this ETag.

    RFC 9110 asks for a strong comparison, and would refuse `W/"v1"`. No ETag of this API is weak, so a weak one was
    weakened by a proxy that compresses. It names the same version.
    """
    return if_match.strip() == "*" or lasting(etag) in {lasting(tag) for tag in tags_in(if_match)}
