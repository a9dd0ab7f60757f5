"""Scopes of credentials that act for their user in a part of the API only, such as API keys.

The scopes are `<plural>:read` and `<plural>:write` of each viewset in the routes, where the plural is the fixed part of
its path before the first parameter. So attachments have the scopes of their objects, and a viewset with several routes
those of the list of all its objects. Safe methods need `:read`, others `:write`. Attributes of a view change this:

- `key_scope`: another name than that of the path; None refuses these credentials. A view that is no BaseViewSet refuses
  them unless it has a name.
- `key_reads`: actions that only read, though their method is not safe. Those of its bases read too.
- `open_to_keys`: actions for which no scope is needed.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, ClassVar

from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.translation import gettext as _

from core.web.errors import ApiError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OF_ITS_PATH = ""
VERBS = READ, WRITE = "read", "write"
PARAMETER = re.compile(r"[<(\\]")  # where one begins in a route


class ScopedCredential:
    """The base of a `request.auth` that acts for its user within `scopes` only."""

    pk: Any
    scopes: Any


class KeyRefused(ApiError):
    """Refusal of a request that no scope permits."""

    code = "FORBIDDEN"

    def __init__(self) -> None:
        super().__init__(message=_("An API key may not do this."))


class ScopeMissing(ApiError):
    code = "FORBIDDEN"

    def __init__(self, scope: str) -> None:
        message = _("The API key needs the scope %(scope)s.") % {"scope": scope}
        super().__init__(message=message, details=[{"field": "scopes", "code": scope, "message": message}])


class Scoped:
    """The attributes of a view, and the check of its requests."""

    key_scope: ClassVar[str | None] = None
    key_reads: ClassVar[frozenset[str]] = frozenset()
    open_to_keys: ClassVar[frozenset[str]] = frozenset()

    def check_scope(self, request: Any) -> None:
        """Raise ApiError FORBIDDEN unless the scopes of `request.auth`, a ScopedCredential, permit the request."""
        check_view(request.auth, self, str(request.method))


def check_view(credential: ScopedCredential, view: Any, method: str) -> None:
    """Raise ApiError FORBIDDEN unless the credential may call this method of the view."""
    if method != "OPTIONS" and getattr(view, "action", None) not in getattr(view, "open_to_keys", ()):
        require_scope(credential, name_for(view), verb_of(view, method))


def require_scope(credential: ScopedCredential, name: str | None, verb: str) -> None:
    """Raise ApiError FORBIDDEN unless the credential has this scope. None is the name of no scope."""
    if name is None:
        raise KeyRefused
    if f"{name}:{verb}" not in credential.scopes:
        raise ScopeMissing(f"{name}:{verb}")


def verb_of(view: Any, method: str) -> str:
    reads = (vars(each).get("key_reads", ()) for each in type(view).__mro__)
    action = getattr(view, "action", None)
    return READ if method in SAFE_METHODS or any(action in actions for actions in reads) else WRITE


def scope_of(view: Any, method: str) -> str | None:
    """Return the scope that the request needs, or None if no scope permits it."""
    name = name_for(view)
    return f"{name}:{verb_of(view, method)}" if name is not None else None


def admits_keys(view: Any, method: str) -> bool:
    """Return whether some key may call this method of the view, for the schema."""
    is_open = getattr(view, "action", None) in getattr(view, "open_to_keys", ())
    return is_open or scope_of(view, method) is not None


def name_for(view: Any) -> str | None:
    """Return the name of the scopes of a view that serves a request: its route may have set `key_scope`."""
    declared: str | None = getattr(view, "key_scope", None)
    return name_of(type(view)) if declared == OF_ITS_PATH else declared


def name_of(view_class: Any) -> str | None:
    """Return the name of the scopes of a view, or None if it refuses keys."""
    return names(get_resolver()).get(view_class)


def all_scopes() -> list[str]:
    return sorted(f"{name}:{verb}" for name in set(names(get_resolver()).values()) for verb in VERBS)


@lru_cache(maxsize=8)
def names(resolver: URLResolver) -> dict[Any, str]:
    """Return the names of the scopes by view class."""
    by_class: dict[Any, tuple[int, str]] = {}
    for route, pattern in routes(resolver):
        view_class: Any = getattr(pattern.callback, "cls", None)
        declared = getattr(view_class, "key_scope", None)
        if declared is None:
            continue
        suffix = pattern.callback.initkwargs.get("suffix")  # type: ignore[attr-defined]
        named = rank_of(route, suffix), declared or plural_of(route)
        if view_class not in by_class or named[0] > by_class[view_class][0]:
            by_class[view_class] = named
    return {view_class: name for view_class, (_rank, name) in by_class.items()}


def rank_of(route: str, suffix: str | None) -> int:
    """Return how well the route of a view names its objects. Best is the list of all of them, which a view may also
    show below another object; a further action has its own word at the end."""
    if suffix not in {"List", "Instance"}:
        return 0
    return 2 if suffix == "List" and "<" not in route else 1


def plural_of(route: str) -> str:
    """Return the last word before the first parameter, also of a regular expression, as DRF's own routers write it."""
    fixed = PARAMETER.split(route, maxsplit=1)[0]
    return fixed.rstrip("/?$").rpartition("/")[2].lstrip("^")


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry, route)
        else:
            yield route, entry
