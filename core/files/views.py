"""Downloads of files on the local disk by signed URLs (core/files/storages/disk.py), whole or in part.

The URL is the permission: it needs no access token, is valid for 5 minutes, and no rate limit counts it, so that a page
may have a hundred thumbnails. Its token is in the query, which no log holds.
"""

import re
import time
from collections.abc import Callable
from typing import IO

from django.core.signing import BadSignature
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from core.files import services as files
from core.files.models import StoredFile
from core.files.storages import disk
from core.web.errors import ApiError

CHUNK_BYTES = 64 * 1024
RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)
# A page that a browser shows for a file may run nothing and load nothing.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


download_checks: list[Callable[[StoredFile], None]] = []


def checks_download(check: Callable[[StoredFile], None]) -> Callable[[StoredFile], None]:
    """Register a function that raises ApiError where a stored file may no longer be downloaded."""
    download_checks.append(check)
    return check


def file_view(request: HttpRequest) -> HttpResponseBase:
    try:
        token = disk.SIGNER.unsign_object(request.META.get("QUERY_STRING", "").removeprefix("token="))
    except BadSignature:
        token = {"expires": 0}
    lifetime = token["expires"] - time.time()
    if lifetime <= 0:
        raise ApiError("FORBIDDEN", message="This address is not valid, or no longer.")
    rows = StoredFile.objects.filter(state=StoredFile.State.IN_USE).select_related("user")
    stored = rows.filter(pk=token["file"]).first()
    if stored is None:
        raise ApiError("NOT_FOUND")
    for check in download_checks:
        check(stored)
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
    requested = requested_range(request, headers["ETag"], stored.size)
    try:
        source = files.open_file(stored)
    except FileNotFoundError:
        raise ApiError("NOT_FOUND") from None
    first, last = requested or (0, stored.size - 1)
    part = Part(source, first, 0 if request.method == "HEAD" else last - first + 1)
    response = FileResponse(part, content_type=stored.served_type, headers=headers)
    response.block_size = CHUNK_BYTES
    response["Content-Length"] = str(last - first + 1)
    if requested:
        response.status_code = 206
        response["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
    return response


def requested_range(request: HttpRequest, etag: str, size: int) -> tuple[int, int] | None:
    """Return the first and the last byte (RFC 9110, 14); None for the whole file, which is also the response to several
    ranges and to an invalid one, as the RFC allows. Raises ApiError RANGE_NOT_SATISFIABLE."""
    match = RANGE.fullmatch(request.META.get("HTTP_RANGE", ""))
    if match is None or request.method != "GET" or match.groups() == ("", ""):
        return None
    if request.META.get("HTTP_IF_RANGE", etag).strip() != etag:
        return None
    if match[1]:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
        if match[2] and int(match[2]) < first:
            return None
    else:
        first, last = max(0, size - int(match[2])), size - 1
    if first >= size:
        raise ApiError("RANGE_NOT_SATISFIABLE", headers={"Content-Range": f"bytes */{size}"})
    return first, last


class Part:
    """A range of an open file. The server calls `close`, also when the client has disconnected."""

    def __init__(self, source: IO[bytes], first: int, length: int) -> None:
        self._source, self._left = source, length
        source.seek(first)

    def read(self, size: int) -> bytes:
        chunk = self._source.read(min(size, self._left))
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        self._source.close()
