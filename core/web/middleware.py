"""The middlewares: request id, log line, headers, unreadable Content-Types, and exceptions outside the views."""

import codecs
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.http import parse_header_parameters
from whitenoise.middleware import WhiteNoiseMiddleware

from core.web import metrics
from core.web import request_context as context
from core.web.client_address import client_ip, normalize_scheme, peer_ip
from core.web.errors import ApiError, error_response, report_forbidden, translate
from core.web.logs import log_request
from core.web.security_headers import SECURITY_HEADERS

GetResponse = Callable[[HttpRequest], HttpResponse]
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

log = structlog.get_logger(__name__)

ADMIN_PREFIX = "/admin/"
API_PREFIX = "/api/v1/"
UNREADABLE = "application/x-unreadable"
MAX_TYPE_LENGTH = 256  # of a Content-Type with parameters
MAX_HEADER_LENGTH = 8192  # of any header, as in nginx
MAX_PATH_LENGTH = 2048  # no route has a longer one; to look for it takes Python the square of its length
LONG_HEADER = "api.long_header"  # in the environment of a request that has had one

DEFAULT_HEADERS = {name.lower(): (name, value) for name, value in SECURITY_HEADERS.items()}


def with_readable_headers(application: Application) -> Application:
    """Replace what Django would fail on, or take long to read, before it does. `refuse_early` refuses such a request.

    - A Content-Type whose charset is not UTF-8: Django decodes the query string with it, and raises for codecs that are
      not text encodings.
    - Long headers: to read parameters or a cookie takes Python the square of their length.
    - A method in lower case. Methods are case-sensitive (RFC 9110, 9.1), but Django reads `get` as GET, past the rules
      that a proxy may have for GET.
    """

    def checked(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        header, method = environ.get("CONTENT_TYPE", ""), environ["REQUEST_METHOD"]
        if ";" in header and not is_readable(header):
            environ["CONTENT_TYPE"] = UNREADABLE
        if not method.isupper():
            environ["REQUEST_METHOD"] = f"X-{method}"  # which no route has
        long = [
            name
            for name, value in environ.items()
            if name.startswith("HTTP_") and len(value) > MAX_HEADER_LENGTH
        ]
        if long:
            environ.update(dict.fromkeys(long, ""), **{LONG_HEADER: True})
        return application(environ, start_response)

    return checked


def is_readable(header: str) -> bool:
    if len(header) > MAX_TYPE_LENGTH:
        return False
    try:
        _type, parameters = parse_header_parameters(header)
        return codecs.lookup(parameters.get("charset", "utf-8")).name == "utf-8"
    except (LookupError, ValueError):
        return False


class RequestMiddleware:
    """Outermost middleware: gives every response an id, a log line and the security headers."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        metrics.executed.number = 0
        normalize_scheme(request)
        caller = context.RequestContext(
            request_id=context.request_id_of(request.META),
            ip_address=client_ip(request),
            peer_address=peer_ip(request),
            # Not every server refuses a NUL, which PostgreSQL cannot store.
            user_agent=request.META.get("HTTP_USER_AGENT", "")[:400].replace("\0", "\ufffd"),
        )
        token = context.current.set(caller)
        try:
            context.use_limits(
                context.ADMIN_LIMITS if is_admin(request.path_info) else context.REQUEST_LIMITS
            )
            response = refuse_early(request) or self.get_response(without_trailing_slash(request))
            seconds = time.perf_counter() - started
            finish(request, response, caller, seconds)
        finally:
            context.current.reset(token)
        return response


def refuse_early(request: HttpRequest) -> HttpResponse | None:
    """Return the refusal of a long path or header, an invalid Host or Content-Type, or of plain HTTP on an API path,
    else None.

    The API does not redirect to HTTPS: a redirect would hide that the token was sent unencrypted (ASVS 5.0, 4.1.2).
    """
    if LONG_HEADER in request.META:
        message = f"A header is longer than {MAX_HEADER_LENGTH} characters."
        return error_response(ApiError("MALFORMED_REQUEST", message=message), request)
    if len(request.path_info) > MAX_PATH_LENGTH:
        return error_response(ApiError("NOT_FOUND"), request)
    try:
        request.get_host()
    except DisallowedHost:
        refusal = ApiError("MALFORMED_REQUEST", message="The Host header is not one of this server.")
        return error_response(refusal, request)
    if request.content_type == UNREADABLE:
        refusal = ApiError(
            "UNSUPPORTED_MEDIA_TYPE", message="The Content-Type is not valid, or not of UTF-8."
        )
        return error_response(refusal, request)
    if settings.SECURE_SSL_REDIRECT and request.path_info.startswith("/api/") and not request.is_secure():
        return error_response(ApiError("FORBIDDEN", message="HTTPS is required."), request)
    return None


def without_trailing_slash(request: HttpRequest) -> HttpRequest:
    """Remove the trailing slash of a path outside the admin, for every method and without a redirect."""
    path = request.path_info
    if path.endswith("/") and len(path) > 1 and not path.startswith((ADMIN_PREFIX, "/static/")):
        request.path_info = path[:-1]
        request.path = request.path[:-1]
    return request


def finish(
    request: HttpRequest, response: HttpResponseBase, caller: context.RequestContext, seconds: float
) -> None:
    headers = {"X-Request-ID": caller.request_id}
    decision = request.META.get("api.rate_limit")
    if decision is not None:
        headers |= decision.headers
    if not is_page(request.path_info):
        headers |= api_headers(request, response)
    elif is_admin(request.path_info):
        # With no-referrer a browser posts a form with `Origin: null`, which the CSRF check refuses.
        headers["Referrer-Policy"] = "same-origin"
    if "Cache-Control" not in response.headers and not request.path_info.startswith("/static/"):
        headers["Cache-Control"] = "no-store"
    own = {name.lower(): (name, value) for name, value in headers.items()}
    # One assignment: a dozen to the mapping cost 20 µs more. For the private name see docs/architecture.md.
    response.headers._store = DEFAULT_HEADERS | response.headers._store | own
    match = request.resolver_match
    # The catch-all pattern and that of the home page are both empty.
    route = (match and match.route) or ("home" if request.path_info == "/" else "unmatched")
    metrics.observe_request(request.method or "", route, response.status_code, seconds)
    current = context.current.get()
    log_request(
        requestId=caller.request_id,
        userId=current.user_id,
        **({"traceId": current.trace_id} if current.trace_id else {}),
        duration=round(seconds * 1000, 1),
        method=request.method,
        path=request.path,  # never the query string: it may contain a secret
        route=route,
        status=response.status_code,
        ip=caller.ip_address,
    )


def api_headers(request: HttpRequest, response: HttpResponseBase) -> dict[str, str]:
    """Return the headers that only the middlewares of pages would set."""
    headers = {}
    if not response.streaming and "Content-Length" not in response.headers:
        headers["Content-Length"] = str(len(response.content))  # type: ignore[attr-defined]
    if settings.SECURE_HSTS_SECONDS and request.is_secure():
        subdomains = "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
        preload = "; preload" if settings.SECURE_HSTS_PRELOAD else ""
        value = f"max-age={settings.SECURE_HSTS_SECONDS}{subdomains}{preload}"
        headers["Strict-Transport-Security"] = value
    return headers


class ErrorMiddleware:
    """Innermost middleware: turns an exception of a view into the envelope, in development too."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        error = translate(exception)
        if error is None:
            log.error("unhandled_exception", path=request.path, exc_info=exception)
            error = ApiError("INTERNAL_ERROR")
        if error.code == "FORBIDDEN":
            report_forbidden(request)
        return error_response(error, request)


def limited(middleware: Any, applies: Callable[[str], bool]) -> Any:
    """Return a subclass of the middleware that is skipped on other paths, since each middleware costs time."""

    class Limited(middleware):
        def __call__(self, request: HttpRequest) -> Any:
            return super().__call__(request) if applies(request.path_info) else self.get_response(request)

    return Limited


def is_admin(path: str) -> bool:
    """Return whether the path is of the admin. The API does not use Django's sessions."""
    return path.startswith(ADMIN_PREFIX)


def is_page(path: str) -> bool:
    """Return whether the path is outside the API, whose headers RequestMiddleware sets, and where accounts/cookies.py
    checks CSRF."""
    return not path.startswith(API_PREFIX)


AdminSessionMiddleware = limited(SessionMiddleware, is_admin)
AdminAuthenticationMiddleware = limited(AuthenticationMiddleware, is_admin)
AdminMessageMiddleware = limited(MessageMiddleware, is_admin)
PageSecurityMiddleware = limited(SecurityMiddleware, is_page)
StaticFilesMiddleware = limited(WhiteNoiseMiddleware, is_page)
PageCommonMiddleware = limited(CommonMiddleware, is_page)
PageCsrfMiddleware = limited(CsrfViewMiddleware, is_page)
PageFrameMiddleware = limited(XFrameOptionsMiddleware, is_page)
CrossOriginMiddleware = limited(CorsMiddleware, lambda _path: bool(settings.CORS_ALLOWED_ORIGINS))
