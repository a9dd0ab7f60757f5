"""The success envelope, as orjson bytes."""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer

from core.web.json_bytes import dumps


def _fallback(value: Any) -> Any:
    if isinstance(value, Promise):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be rendered as JSON")


def render_error(body: dict[str, Any]) -> bytes:
    return dumps(body, default=_fallback)


class Rendered(bytes):
    """JSON that already has its envelope."""


class EnvelopeRenderer(BaseRenderer):
    """`{"success": true, "data": …}`, with `meta` if the response has one. Errors already have their envelope."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if isinstance(data, Rendered):
            return data
        response = (renderer_context or {}).get("response")
        status = getattr(response, "status_code", 200)
        if status in {204, 304}:
            return b""
        if status >= 400:
            return render_error(data)
        body = {"success": True, "data": data}
        meta = getattr(response, "meta", None)
        if meta is not None:
            body["meta"] = meta
        return dumps(body, default=_fallback)


class Negotiation(DefaultContentNegotiation):
    """Content negotiation with a fast path for the Accept headers of nearly every client."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        if request.META.get("HTTP_ACCEPT", "*/*") in {"*/*", "application/json"}:
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)

    def select_parser(self, request: Any, parsers: Any) -> Any:
        """Return the parser of the Content-Type, or None. A range such as `*/*` is no type (RFC 9110, 8.3)."""
        is_range = "*" in (request.content_type or "").partition(";")[0]
        return None if is_range else super().select_parser(request, parsers)
