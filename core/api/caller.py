"""A viewset in the hands of other code than its route: its rights, its rows and its serializers."""

from typing import Any

from django.http import HttpRequest, QueryDict
from rest_framework.request import Request


def view_of(
    view_class: Any, user: Any, query: dict[str, list[str]], action: str, method: str, **kwargs: Any
) -> Any:
    """Return the view as it is before it serves this request."""
    source = HttpRequest()
    source.method = method
    parameters = QueryDict(mutable=True)
    for name, values in query.items():
        parameters.setlist(name, values)
    source.GET = parameters  # type: ignore[assignment]
    request = Request(source)
    request.user = user
    view = view_class()
    view.setup(request, **kwargs)
    view.action, view.format_kwarg = action, None
    return view


def view_for(view_class: Any, user: Any, query: dict[str, list[str]], action: str = "list") -> Any:
    """Return the view as it would serve this user. Read the user from the database just before: the role may have
    changed since the job was requested. Raises what the view's permissions raise."""
    view = view_of(view_class, user, query, action, "GET" if action == "list" else "POST")
    view.check_permissions(view.request)
    return view
