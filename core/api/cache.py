"""Cached responses: lists of the caller's own rows, under the version of what the caller owns.

A write replaces the version with its commit (core/db/owner_versions.py), and the version is read with the session
before the cache is. So a cached response is never older than what its reader has written, in any process, and nothing
is deleted from the cache. The reader's id is part of the key. A first miss stores a mark, so that only what is
requested a second time uses memory.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import Resolver404, get_resolver, resolve
from django_redis.serializers.base import BaseSerializer
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from core.web import metrics
from core.web.renderers import Rendered

ALIAS = "responses"
MAX_BYTES = 256 * 1024
REQUESTED_ONCE = b""
HITS, MISSES = (metrics.cached_responses_total.labels(outcome) for outcome in ("hit", "miss"))


class BytesSerializer(BaseSerializer):
    """Bytes as they are: who can write to Redis must not run code here, as a pickle would let them."""

    def dumps(self, value: bytes) -> bytes:
        return value

    def loads(self, value: bytes) -> bytes:
        return value


def cached_response(request: Request, etag: str | None, respond: Callable[[], Response]) -> Response:
    """Return the cached response with this ETag, or that of `respond`, which is then cached. Without an ETag it
    depends on more than the caller's own rows."""
    if etag is None or not settings.RESPONSE_CACHE_SECONDS:
        return respond()
    key = f"{request.user.pk}:{etag}:{request.path}"
    body = caches[ALIAS].get(key)
    if body:
        HITS.inc()
        return Response(Rendered(body))
    MISSES.inc()
    response = respond()
    if body is None:
        caches[ALIAS].set(key, REQUESTED_ONCE, settings.RESPONSE_CACHE_SECONDS)
    else:
        response.add_post_render_callback(partial(store, key))
    return response


def store(key: str, response: HttpResponse) -> None:
    if response.status_code == 200 and len(response.content) <= MAX_BYTES:
        caches[ALIAS].set(key, response.content, settings.RESPONSE_CACHE_SECONDS)


# --- warming, for `manage.py warm_cache` ------------------------------------------------------------

View = Callable[..., Response]


class UnknownPathError(ValueError):
    """A path without a list whose responses are cached."""


class RequestUser(BaseAuthentication):
    """Authentication by the user that the request was made with."""

    def authenticate(self, request: Request) -> tuple[Any, None]:
        return request.META["warming.user"], None


def cached_paths() -> Iterator[str]:
    """Return the paths of all lists whose responses are cached."""
    for path in sorted(paths_of(get_resolver().url_patterns, "/")):
        try:
            view_at(path)
        except UnknownPathError:
            continue
        yield path


def paths_of(patterns: Any, prefix: str) -> Iterator[str]:
    for item in patterns:
        path = prefix + str(item.pattern)
        if hasattr(item, "url_patterns"):
            yield from paths_of(item.url_patterns, path)
        elif "<" not in path and "(" not in path:
            yield path


def view_at(path: str) -> View:
    """Return the view at this path, for `warm`. Raises UnknownPathError."""
    try:
        view: Any = resolve(path.partition("?")[0]).func
    except Resolver404 as error:
        raise UnknownPathError(path) from error
    action = getattr(view, "actions", {}).get("get")
    if action not in getattr(getattr(view, "cls", None), "watched_lists", ()):
        raise UnknownPathError(path)
    options = {**view.initkwargs, "authentication_classes": [RequestUser], "throttle_classes": []}
    warmed: View = view.cls.as_view(view.actions, **options)
    return warmed


def warm(view: View, path: str, user: Any) -> bool:
    """Request the path twice, since only the second response is cached. Return whether it was successful."""
    status = 0
    for _ in range(2):
        request: Any = HttpRequest()
        request.method = "GET"
        request.path, _, query = path.partition("?")
        request.path_info = request.path
        request.META = {"REQUEST_METHOD": "GET", "QUERY_STRING": query, "warming.user": user}
        request.GET = QueryDict(query)
        response: Any = view(request)
        response.render()
        status = response.status_code
    return status == 200
