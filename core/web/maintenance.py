"""The mode of maintenance: the operator has time for a change, and clients know when to try again."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from core.web.errors import ApiError, error_response

RETRY_SECONDS = 300
# Probes, so that the process is neither restarted nor taken out of service, numbers, and the admin for staff.
SERVED = ("/health", "/metrics", "/admin")


class MaintenanceMiddleware:
    """Middleware that refuses all but SERVED with 503 while MAINTENANCE_MODE is on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.MAINTENANCE_MODE:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if any(request.path_info == path or request.path_info.startswith(f"{path}/") for path in SERVED):
            return self.get_response(request)
        message = "The service is down for maintenance. Try again later."
        return error_response(
            ApiError("SERVICE_UNAVAILABLE", message=message, retry_after=RETRY_SECONDS), request
        )
