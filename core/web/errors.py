"""The error catalogue, and the translation of every exception into the error envelope."""

import errno
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import IntegrityError, InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions as drf
from rest_framework.response import Response

from core.web import request_context as context
from core.web.error_details import detail_with, flatten
from core.web.renderers import render_error
from core.web.text import shortened

log = structlog.get_logger(__name__)

# code: (status, message). Messages are fixed text: nothing of an exception, a statement or a path may leak.
CATALOGUE: dict[str, tuple[int, str]] = {
    "VALIDATION_ERROR": (400, "Some of the values are not valid."),
    "MALFORMED_REQUEST": (400, "The request could not be read."),
    "UNAUTHORIZED": (401, "Valid credentials are required."),
    "TOKEN_EXPIRED": (401, "The token has expired."),
    "TOKEN_REVOKED": (401, "The session of this token has ended."),
    "INVALID_CREDENTIALS": (401, "The email or the password is wrong."),
    "MFA_REQUIRED": (401, "A code of your second factor is required."),
    "MFA_INVALID": (401, "The code is wrong, or was used before."),
    "FORBIDDEN": (403, "Your role does not allow this."),
    "CSRF_FAILED": (403, "The CSRF token is missing or wrong."),
    "ACCOUNT_SUSPENDED": (403, "This account is suspended."),
    "EMAIL_UNVERIFIED": (403, "Verify your email address first."),
    "MFA_ENROLLMENT_REQUIRED": (403, "Your role requires a second factor: add one first."),
    "STEP_UP_REQUIRED": (403, "Prove first that it is you: send currentPassword, or POST /auth/step-up."),
    "REGISTRATION_CLOSED": (403, "Accounts cannot be created here."),
    "NOT_FOUND": (404, "There is nothing here."),
    "METHOD_NOT_ALLOWED": (405, "This method is not allowed here."),
    "NOT_ACCEPTABLE": (406, "Responses are only available as application/json."),
    "REQUEST_TIMEOUT": (408, "The body of the request did not arrive in time."),
    "EMAIL_EXISTS": (409, "An account with this email exists."),
    "CONFLICT": (409, "This conflicts with something that exists."),
    "IDEMPOTENCY_IN_PROGRESS": (409, "A request with this Idempotency-Key is still running."),
    "GONE": (410, "The cursor is too old, or from before a restore. Begin again with an empty one."),
    "PRECONDITION_FAILED": (412, "The object has changed since the version in If-Match."),
    "PAYLOAD_TOO_LARGE": (413, "The body is too large."),
    "UNSUPPORTED_MEDIA_TYPE": (415, "This type of body is not accepted here."),
    "RANGE_NOT_SATISFIABLE": (416, "The file has no such range."),
    "IDEMPOTENCY_KEY_REUSED": (422, "This Idempotency-Key was used with another request."),
    "ACCOUNT_LOCKED": (423, "Too many failed attempts. Try again later."),
    "RATE_LIMITED": (429, "Too many requests. Try again later."),
    "INTERNAL_ERROR": (500, "Something went wrong on our side."),
    "SERVICE_UNAVAILABLE": (503, "The service is briefly unavailable. Try again."),
    "INSUFFICIENT_STORAGE": (507, "There is no room to store this."),
}
UNAVAILABLE_RETRY_SECONDS = 5
REPORT_SECONDS = 60.0
MAX_MESSAGE = 1000  # characters; a message may contain a value
MAX_ACCEPT_LENGTH = 1024  # characters; browsers send less, and each takes time to read
MAX_DETAILS = 100  # a response must not be larger than its request

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
reported: dict[str, float] = {}  # when a kind of error was logged last
forbidden_hooks: list[Callable[[Any], None]] = []


def on_forbidden(hook: Callable[[Any], None]) -> Callable[[Any], None]:
    """Register a function that is called with each request that ends in 403 FORBIDDEN."""
    forbidden_hooks.append(hook)
    return hook


def report_forbidden(request: Any) -> None:
    """Call the registered functions with a request that the caller's role does not allow."""
    for hook in forbidden_hooks:
        hook(request)


class ApiError(Exception):
    """An expected refusal. Subclass it next to the function that raises it, with a code of the catalogue.

    Only the first MAX_DETAILS items of `details` are read.
    """

    code = "INTERNAL_ERROR"

    def __init__(
        self,
        code: str | None = None,
        *,
        message: str | None = None,
        details: Iterable[Mapping[str, Any]] = (),
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code or self.code
        self.status, default_message = CATALOGUE[self.code]
        self.message = message or default_message
        self.details = [bounded(detail) for detail in islice(details, MAX_DETAILS)]
        self.retry_after = retry_after
        self.headers = headers or {}
        # Changes the response beyond the envelope, for instance clears cookies.
        self.finish: Callable[[HttpResponseBase], None] | None = None
        super().__init__(self.message)


def bounded(detail: Mapping[str, Any], max_message: int = MAX_MESSAGE) -> dict[str, Any]:
    """Return the detail with its field name and message shortened. Both may come from the client: as the name of an
    unknown parameter, or as a value that is not among the choices."""
    field, message = detail["field"], shortened(str(detail["message"]), max_message)
    return {**detail, "field": field and shortened(field), "message": message}


class FieldError(ApiError):
    """Validation error of one field, raised by a rule outside the serializer."""

    code = "VALIDATION_ERROR"

    def __init__(
        self, field: str | None, code: str, message: str, *, params: Mapping[str, Any] | None = None
    ) -> None:
        """Set the one detail. `params` holds the values that the message names."""
        super().__init__(details=[detail_with(field, code, message, params)])


def handle(exc: Exception, _context: Mapping[str, Any]) -> Response | None:
    """Return the error response (DRF's EXCEPTION_HANDLER), or None for an unexpected exception: it becomes a 500."""
    error = translate(exc)
    if error is None:
        return None
    response = Response(error_body(error), status=error.status, headers=error_headers(error))
    if error.finish is not None:
        error.finish(response)
    return response


def translate(exc: BaseException) -> ApiError | None:
    """Return the expected refusal for `exc`, or None if the exception is unexpected."""
    if isinstance(exc, ApiError):
        return exc
    if isinstance(exc, drf.ValidationError):
        return ApiError(
            "VALIDATION_ERROR", details=flatten(exc.detail, field=getattr(exc, "checked_by", None))
        )
    if isinstance(exc, drf.Throttled):
        return ApiError("RATE_LIMITED", retry_after=max(1, round(getattr(exc, "wait", None) or 1)))
    for kinds, code in EXPECTED:
        if isinstance(exc, kinds):
            return ApiError(code)
    if is_unavailable(exc):
        report_unavailable("resources_exhausted" if is_exhausted(exc) else "database_unavailable", exc)
        return ApiError("SERVICE_UNAVAILABLE", retry_after=UNAVAILABLE_RETRY_SECONDS)
    if isinstance(exc, IntegrityError) and is_unique_violation(exc):
        return ApiError("CONFLICT")
    return None


EXPECTED: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (drf.ParseError, "MALFORMED_REQUEST"),
    ((drf.NotAuthenticated, drf.AuthenticationFailed), "UNAUTHORIZED"),
    ((drf.PermissionDenied, PermissionDenied), "FORBIDDEN"),
    ((drf.NotFound, Http404), "NOT_FOUND"),
    (drf.MethodNotAllowed, "METHOD_NOT_ALLOWED"),
    (drf.NotAcceptable, "NOT_ACCEPTABLE"),
    (drf.UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE"),
    (RequestDataTooBig, "PAYLOAD_TOO_LARGE"),
    ((SuspiciousOperation, BadRequest, MultiPartParserError, UnreadablePostError), "MALFORMED_REQUEST"),
)


def is_unavailable(exc: BaseException) -> bool:
    """Return whether the database is lost or refuses writes, or the machine has nothing left."""
    return isinstance(exc, OperationalError | InterfaceError) or is_read_only(exc) or is_exhausted(exc)


def is_read_only(exc: BaseException) -> bool:
    """Return whether the database refused a write: a standby, or a primary whose operator or disk allows none."""
    return isinstance(exc, InternalError) and getattr(exc.__cause__, "sqlstate", None) == "25006"


def is_exhausted(exc: BaseException) -> bool:
    """Return whether the process has no file descriptor or memory left, as by too many connections."""
    return isinstance(exc, OSError) and exc.errno in EXHAUSTED


def report_unavailable(event: str, exc: BaseException) -> None:
    """Log one error of each kind in REPORT_SECONDS: each request has a line of its own with the status."""
    kind, now = type(exc.__cause__ or exc).__name__, time.monotonic()
    if now - reported.get(kind, -REPORT_SECONDS) >= REPORT_SECONDS:
        reported[kind] = now
        log.error(event, error=kind, exc_info=exc)


def is_unique_violation(exc: IntegrityError) -> bool:
    """Return whether a unique constraint failed: PostgreSQL has the code 23505, SQLite only a message."""
    return getattr(exc.__cause__, "sqlstate", None) == "23505" or "UNIQUE constraint failed" in str(exc)


def error_body(error: ApiError) -> dict[str, Any]:
    return {
        "success": False,
        "error": {
            "code": error.code,
            "message": error.message,
            "details": error.details,
            "requestId": request_id(),
        },
    }


def request_id() -> str:
    return context.current.get().request_id


def error_headers(error: ApiError) -> dict[str, str]:
    headers = dict(error.headers)
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:  # RFC 9110, 11.6.1: a 401 has a challenge
        headers["WWW-Authenticate"] = 'Bearer realm="api"'
    return headers


def error_response(error: ApiError, request: HttpRequest) -> HttpResponse:
    """Return the response to a request that never reached a DRF view: an HTML page or the envelope."""
    if prefers_page(request):
        context = {
            "product": settings.PRODUCT_NAME,
            "error": error,
            "status": error.status,
            "request_id": request_id(),
        }
        content, content_type = render_to_string("error.html", context).encode(), "text/html; charset=utf-8"
    else:
        content, content_type = render_error(error_body(error)), "application/json"
    response = HttpResponse(
        content, status=error.status, content_type=content_type, headers=error_headers(error)
    )
    if not is_api(request):
        patch_vary_headers(response, ("Accept",))
    return response


def is_api(request: HttpRequest) -> bool:
    return request.path_info == "/api" or request.path_info.startswith("/api/")


def prefers_page(request: HttpRequest) -> bool:
    """Return whether the client prefers HTML. A client that accepts anything, such as curl, gets JSON."""
    if is_api(request) or len(request.META.get("HTTP_ACCEPT", "")) > MAX_ACCEPT_LENGTH:
        return False
    try:
        return request.get_preferred_type(["application/json", "text/html"]) == "text/html"
    except ValueError:  # a parameter in an unknown encoding (RFC 2231)
        return False


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    error = translate(exception) if exception else None
    return error_response(error or ApiError("MALFORMED_REQUEST"), request)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return error_response(ApiError("FORBIDDEN"), request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return error_response(ApiError("CSRF_FAILED"), request)


@csrf_exempt  # an unknown path is a 404 for every method
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return error_response(ApiError("NOT_FOUND"), request)


def server_error(request: HttpRequest) -> HttpResponse:
    return error_response(ApiError("INTERNAL_ERROR"), request)
