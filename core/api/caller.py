"""A viewset outside of its own route: for another action of the same request, or for a job.

What an author decides by `self.action`, `request.method`, `self.kwargs` or attributes of a route (`as_view(…)`) holds
there too.
"""

import copy
from io import BytesIO
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import Http404
from django.urls import resolve
from rest_framework.request import Request, clone_request


def request_of(user: Any, method: str, path: str = "/", query: dict[str, list[str]] | None = None) -> Request:
    """Return a request without a body and without headers, at the public address of the API."""
    host = next((name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"), "localhost")
    address = urlsplit(settings.API_URL or f"http://{host}")
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": urlencode(query or {}, doseq=True),
        "SERVER_NAME": address.hostname,
        "SERVER_PORT": str(address.port or {"https": 443}.get(address.scheme, 80)),
        "wsgi.url_scheme": address.scheme,
        "wsgi.input": BytesIO(),
    }
    request = Request(WSGIRequest(environ))
    request.user, request.auth = user, None
    return request


def without_query(request: Request, method: str) -> Request:
    """Return the request by another method, with its headers and caller, without the parameters of its query."""
    other = Request(WSGIRequest({**request.META, "REQUEST_METHOD": method, "QUERY_STRING": ""}))
    other.user, other.auth = request.user, request.auth
    return other


def view_of(
    view_class: Any, request: Request, action: str, attributes: dict[str, Any] | None = None, **kwargs: Any
) -> Any:
    """Return the viewset as it is before it serves the request. `attributes` are those of its route."""
    view = view_class(**(attributes or {}))
    view.setup(request, **kwargs)
    view.action, view.format_kwarg = action, None
    return view


def routed_view(request: Request) -> Any:
    """Return the viewset of the route that the request's path leads to. Raises Http404 where there is none: the URLs
    may have changed after a job was queued."""
    match: Any = resolve(request.path_info)
    action = getattr(match.func, "actions", {}).get(str(request.method).lower())
    if action is None:
        raise Http404
    request.resolver_match = match
    return view_of(match.func.cls, request, action, match.func.initkwargs, **match.kwargs)


def acting(view: Any, action: str, method: str, request: Request | None = None) -> Any:
    """Return a copy of the view that serves this action, by default for the same request. Raises what its permissions
    raise."""
    other = copy.copy(view)
    for name in getattr(getattr(type(view), view.action or "", None), "kwargs", ()):
        vars(other).pop(name, None)  # `@action` has set it for the route of that action
    other.request = request or clone_request(view.request, method)
    other.action = action
    other.check_permissions(other.request)
    return other
