"""The clauses of a model's `access` by which a request read and wrote rows. Those of one row: `manage.py why`."""

from collections.abc import Iterator
from typing import Any

from rest_framework.exceptions import APIException

from core.api.overrides import override_of
from core.api.row_access import model_of
from core.api.viewsets import BaseViewSet
from core.db.access import Access, is_declared
from core.web.errors import ApiError

READS = frozenset({"GET", "HEAD"})


def clauses_of(response: Any) -> list[str]:
    """Return a line for each clause, or none if the response is not that of a viewset."""
    view = (getattr(response, "renderer_context", None) or {}).get("view")
    if not isinstance(view, BaseViewSet) or getattr(view, "action", None) is None:
        return []
    try:
        return [*lines(view)]
    except (ApiError, APIException):  # a scope that was refused
        return []


def lines(view: Any) -> Iterator[str]:
    if method := override_of(type(view), among=frozenset({"get_queryset"})):
        yield f"rows of {method}"
    parents = getattr(view, "parents", None)  # below the objects of another viewset, these decide
    model = model_of(parents or type(view))
    rows = model._default_manager.all()
    access: Access | None = getattr(model, "access", None)
    if access is None or not is_declared(type(rows)):
        yield f"visible_to of {type(rows).__name__}"
        return
    if view.action != "create" or parents:
        reach = access.reach(model, view.request.user)
        if (
            not parents
            and view.action in view.list_actions
            and access.owner != "pk"
            and not view.requests_all()
        ):
            reach = (False,) * len(reach)
        yield from named("read", access, access.clauses(model, view.request.user, reach, with_public=True))
    if view.request.method not in READS:
        reach = access.reach(model, view.request.user, write=True)
        admitted = access.clauses(model, view.request.user, reach, write=True, with_public=False)
        yield from named("write", access, admitted)


def named(verb: str, access: Access, clauses: dict[str, Any]) -> Iterator[str]:
    for name in clauses:
        value = getattr(access, name)
        yield f"{verb}: {name}={sorted(value) if isinstance(value, frozenset | set) else value!r}"
    if not clauses:
        yield f"{verb}: no clause, so no row"
