"""A viewset in the hands of a job: its rights, its rows and its serializers, without a request."""

from typing import Any

from django.http import HttpRequest, QueryDict
from rest_framework.request import Request


def view_for(view_class: Any, user: Any, query: dict[str, list[str]], action: str = "list") -> Any:
    """The view as it would serve this user, who must have been read from the database just now: the role may have
    changed since the job was asked for. Raises what the view's permissions raise."""
    asked = HttpRequest()
    asked.method = "GET" if action == "list" else "POST"
    parameters = QueryDict(mutable=True)
    for name, values in query.items():
        parameters.setlist(name, values)
    asked.GET = parameters  # type: ignore[assignment]
    request = Request(asked)
    request.user = user
    view = view_class()
    view.setup(request)
    view.action, view.format_kwarg = action, None
    view.check_permissions(request)
    return view
