"""Downloads of files on the local disk by signed URLs (core/files/storages/disk.py), whole or in part.

The URL is the permission: it needs no access token, is valid for 5 minutes, and no rate limit counts it, so that a page
may have a hundred thumbnails. Its token is in the query, which no log holds.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from core.files import services as files
from core.files.models import StoredFile
from core.files.storages import disk
from core.web.errors import ApiError, error_response

CHUNK_BYTES = 64 * 1024
RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)
# What a browser makes of it may run nothing and load nothing.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def file_view(request: HttpRequest) -> HttpResponseBase:
    try:
        token = disk.SIGNER.unsign_object(request.META.get("QUERY_STRING", "").removeprefix("token="))
    except BadSignature:
        token = {"expires": 0}
    lifetime = token["expires"] - time.time()
    if lifetime <= 0:
        raise ApiError("FORBIDDEN", message="This address is not valid, or no longer.")
    stored = stored_file(token["file"])
    headers = {
        "ETag": f'"{stored.pk.hex}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": f"private, max-age={int(lifetime)}, immutable",
        "Content-Disposition": token["disposition"],
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Cross-Origin-Resource-Policy": "cross-origin",  # any page may show the picture
        "X-Content-Type-Options": "nosniff",
    }
    cached = request.META.get("HTTP_IF_NONE_MATCH", "")
    if headers["ETag"] in cached or cached.strip() == "*":
        return HttpResponse(status=304, headers=headers)
    try:
        source = files.open_file(stored)
    except FileNotFoundError:
        raise ApiError("NOT_FOUND") from None
    return response_of(request, source, stored, headers)


download_checks: list[Callable[[StoredFile], None]] = []


def checks_download(check: Callable[[StoredFile], None]) -> Callable[[StoredFile], None]:
    """Register a function that raises ApiError where a stored file may no longer be handed out."""
    download_checks.append(check)
    return check


def stored_file(key: str) -> StoredFile:
    """Return the stored file. Raises ApiError NOT_FOUND, and what the registered checks raise."""
    stored = StoredFile.objects.filter(pk=key, state=StoredFile.State.KEPT).select_related("user").first()
    if stored is None:
        raise ApiError("NOT_FOUND")
    for check in download_checks:
        check(stored)
    return stored


def response_of(
    request: HttpRequest, source: IO[bytes], stored: StoredFile, headers: dict[str, str]
) -> HttpResponseBase:
    size = stored.size
    requested = requested_range(request, headers["ETag"], size)
    if requested == UNSATISFIABLE:
        source.close()
        error = ApiError("RANGE_NOT_SATISFIABLE", headers={"Content-Range": f"bytes */{size}"})
        return error_response(error, request)
    first, last = requested or (0, size - 1)
    content: Any = Part(source, first, last - first + 1)
    if request.method == "HEAD":
        content.close()
        content = ()
    response = StreamingHttpResponse(content, content_type=stored.served_type, headers=headers)
    response["Content-Length"] = str(last - first + 1)
    if requested:
        response.status_code = 206
        response["Content-Range"] = f"bytes {first}-{last}/{size}"
    return response


UNSATISFIABLE = (-1, -1)


def requested_range(request: HttpRequest, etag: str, size: int) -> tuple[int, int] | None:
    """Return the first and the last byte (RFC 9110, 14); None for the whole file, which is also the response to several
    ranges and to none that is valid, as the RFC allows."""
    match = RANGE.fullmatch(request.META.get("HTTP_RANGE", ""))
    if match is None or request.method != "GET" or match.groups() == ("", ""):
        return None
    condition = request.META.get("HTTP_IF_RANGE")
    if condition is not None and condition.strip() != etag:
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        return (size - length, size - 1) if length else UNSATISFIABLE
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < first:
        return None  # not a range at all
    return (first, last) if first < size else UNSATISFIABLE


class Part:
    """Some bytes of a file, a chunk at a time. The server calls `close`, also when the client has disconnected."""

    def __init__(self, source: IO[bytes], first: int, length: int) -> None:
        self._source, self._left = source, length
        source.seek(first)

    def __iter__(self) -> Iterator[bytes]:
        while self._left > 0 and (chunk := self._source.read(min(CHUNK_BYTES, self._left))):
            self._left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._source.close()
