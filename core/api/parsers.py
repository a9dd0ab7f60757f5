"""Request bodies: JSON objects in UTF-8, bounded in size and depth, without duplicate keys, NUL or surrogates."""

import json
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from core.web.errors import ApiError, FieldError
from core.web.text import shortened

MAX_DEPTH = 32
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class StrictJSONParser(BaseParser):
    """RFC 8259, and the parts it leaves open decided on the safe side (RFC 8725-style duplicate keys are refused)."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        request = (parser_context or {})["request"]
        refuse_encodings(request.META, media_type or "")
        raw = read_bounded(stream, settings.MAX_JSON_BYTES, request.META.get("CONTENT_LENGTH"))
        data = parse_object(raw)
        if b"\\u" in raw:  # an escape is the only way for a NUL or a lone surrogate to get in
            refuse_unstorable(data)
        return data


class MergePatchParser(StrictJSONParser):
    """RFC 7396, for PATCH (core/api/views.py)."""

    media_type = "application/merge-patch+json"


def refuse_encodings(meta: Mapping[str, str], media_type: str) -> None:
    """Raise UnsupportedMediaType for a charset other than UTF-8, and for compressed bodies (bombs)."""
    charset = media_type.lower().partition("charset=")[2].partition(";")[0].strip().strip('"')
    encoding = meta.get("HTTP_CONTENT_ENCODING", "").lower()
    if charset not in {"", "utf-8", "utf8"} or encoding not in {"", "identity"}:
        raise UnsupportedMediaType(media_type)


def read_bounded(stream: IO[bytes], limit: int, declared: str | None) -> bytes:
    """Return the body. Raises ApiError PAYLOAD_TOO_LARGE: before reading by the declared length, else at the limit."""
    if declared and declared.isdecimal() and int(declared) > limit:
        raise ApiError("PAYLOAD_TOO_LARGE")
    raw = stream.read(limit + 1)
    if len(raw) > limit:
        raise ApiError("PAYLOAD_TOO_LARGE")
    return raw


def parse_object(raw: bytes) -> dict[str, Any]:
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and depth_of(raw) > MAX_DEPTH:
        raise ParseError
    try:
        data = json.loads(raw.decode(), object_pairs_hook=unique_keys, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ParseError from error
    if not isinstance(data, dict):
        raise ParseError
    return data


def depth_of(raw: bytes) -> int:
    """Return the deepest nesting of brackets outside strings. Linear and without recursion, whatever the body."""
    unescaped = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(unescaped.split(b'"')[::2]).translate(None, NO_BRACKETS)
    return max(accumulate((1 if bracket in b"[{" else -1 for bracket in brackets), initial=0))


def refuse_unstorable(data: dict[str, Any]) -> None:
    """Raise FieldError for NUL and lone surrogates, which PostgreSQL does not store."""
    path = path_to_unstorable(data)
    if path is not None:
        field = ".".join(shortened(str(part)) for part in path)
        raise FieldError(field or None, "invalid_characters", "Not storable as text.")


def path_to_unstorable(value: Any) -> tuple[str | int, ...] | None:
    """Return the keys and indexes that lead to the first such text, or to the object with such a key. A path is put
    together only once there is one: for each of many items it would cost the length of all keys above."""
    if isinstance(value, str):
        return () if "\x00" in value or not _encodes(value) else None
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        if any(path_to_unstorable(key) is not None for key in value):
            return ()
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for part, item in items:
        path = path_to_unstorable(item)
        if path is not None:
            return (part, *path)
    return None


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("duplicate key")
    return data


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
