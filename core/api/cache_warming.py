"""Answers made before anybody asks: through the real view, so that they are what it would answer."""

from collections.abc import Callable, Iterator
from typing import Any

from django.http import HttpRequest, QueryDict
from django.urls import Resolver404, get_resolver, resolve
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from core.api.cache import Kept

View = Callable[..., Response]


class UnknownPathError(ValueError):
    """No list at this path whose answers are kept."""


class TakenForGranted(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, None]:
        return request._request.user, None


class Uncounted(BaseThrottle):
    """No limit, and a mark as if somebody had asked before."""

    def allow_request(self, request: Request, view: Any) -> bool:
        key = view.kept_under()
        view.kept = Kept(key, b"") if key else None
        return True


def kept_lists() -> Iterator[str]:
    """The paths of all lists whose answers are kept."""
    for path in sorted(paths_of(get_resolver().url_patterns, "/")):
        try:
            view_at(path)
        except UnknownPathError:
            continue
        yield path


def paths_of(patterns: Any, prefix: str) -> Iterator[str]:
    for item in patterns:
        here = prefix + str(item.pattern)
        if hasattr(item, "url_patterns"):
            yield from paths_of(item.url_patterns, here)
        elif "<" not in here and "(" not in here:
            yield here


def view_at(path: str) -> View:
    """Raises UnknownPathError."""
    try:
        view: Any = resolve(path.partition("?")[0]).func
    except Resolver404 as error:
        raise UnknownPathError(path) from error
    action = getattr(view, "actions", {}).get("get")
    if action not in getattr(getattr(view, "cls", None), "watched_lists", ()):
        raise UnknownPathError(path)
    as_view: Any = view.cls.as_view
    warmed: View = as_view(
        view.actions,
        **{**view.initkwargs, "authentication_classes": [TakenForGranted], "throttle_classes": [Uncounted]},
    )
    return warmed


def warm(view: View, path: str, user: Any) -> bool:
    """Whether it was answered, and so kept. `user` has its revision with it (core.db.owner_versions.remember)."""
    request: Any = HttpRequest()
    request.method, request.user = "GET", user
    request.path, _, query = path.partition("?")
    request.path_info = request.path
    request.META = {"REQUEST_METHOD": "GET", "QUERY_STRING": query}
    request.GET = QueryDict(query)
    response = view(request)
    response.render()
    return response.status_code == 200
