"""Audit events about requests that a role does not allow."""

from typing import Any

from core.audit import services as audit
from core.web.errors import on_forbidden


@on_forbidden
def record_forbidden(request: Any) -> None:
    """Record that a logged-in user has no permission for this route. The path is only in the access log, under the
    request id, because it may have ids of people who will be erased."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return
    route = getattr(request.resolver_match, "route", "")
    audit.record_bounded(
        "access.refused",
        caller=f"{user.pk} {request.method} {route}",
        actor_id=user.pk,
        changes={"method": [None, request.method], "route": [None, route]},
    )
