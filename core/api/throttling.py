"""The rate limit of the API, on the counters of core/db/counters.py."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from core.api.scopes import ScopedCredential
from core.db.counters import Decision, check
from core.web import request_context as context
from core.web.client_address import limit_key


class RateLimit(BaseThrottle):
    """A limit per user, for the requests of an API key per key, or per address if there is neither. With
    `throttle_scope = "auth"` a view counts addresses apart."""

    decision: Decision | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        scope = scope_of(view)
        user = request.user if scope is None else None
        if user is not None and isinstance(request.auth, ScopedCredential):
            self.decision = check("key", str(request.auth.pk))
        elif user is not None and user.is_authenticated:
            self.decision = check("user", str(user.pk))
        else:
            self.decision = check(scope or "anon", limit_key(context.current.get().limit_address))
        # DRF makes a new throttle for each request, so the middleware reads the decision here (core/web/middleware.py).
        request.META["api.rate_limit"] = self.decision
        return self.decision.allowed

    def wait(self) -> float | None:
        return float(self.decision.reset) if self.decision else None


def scope_of(view: Any) -> str | None:
    """Return the scope of the view. One of plain REST framework may have a scope of its ScopedRateThrottle, which
    counts here if THROTTLE_RATES has it."""
    if hasattr(view, "get_throttle_scope"):
        scope: str | None = view.get_throttle_scope()
        return scope
    scope = getattr(view, "throttle_scope", None)
    return scope if scope in settings.THROTTLE_RATES else None
