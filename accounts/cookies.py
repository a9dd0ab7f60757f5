"""Tokens for web clients in cookies that scripts cannot read, with a CSRF token bound to the session.

The access cookie is `__Host-` (this host only, over HTTPS only, every path). The refresh cookie is sent to the paths
under /auth, which refresh a session, end it, or return its CSRF token after a reload. The CSRF token is an HMAC of the
session's id. So a token of another session, or a cookie set by a sibling domain, is refused (ASVS 5.0, 3.3 and 3.5.1).
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.http import is_same_domain
from rest_framework.request import Request

from accounts.models import Session
from accounts.services.sessions import TokenPair
from accounts.tokens import lifetime_seconds
from core.web import keys
from core.web.errors import ApiError, FieldError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Cookie:
    """The attributes of one of the cookies."""

    secure_name: str
    plain_name: str
    path: str
    samesite: Literal["Lax", "Strict"]
    httponly: bool = True

    @property
    def name(self) -> str:
        """Name of the cookie. With DEBUG the API is at http://localhost, where some browsers refuse `Secure` cookies
        and the prefixes that require them."""
        return self.secure_name if settings.AUTH_COOKIE_SECURE else self.plain_name

    def of(self, request: Request) -> str:
        """Return the value in the request, or an empty string."""
        return str(request.COOKIES.get(self.name, ""))

    def set(self, response: HttpResponseBase, value: str, max_age: int) -> None:
        response.set_cookie(
            self.name,
            value,
            max_age=max_age,
            path=self.path,
            secure=settings.AUTH_COOKIE_SECURE,
            httponly=self.httponly,
            samesite=self.samesite,
        )

    def clear(self, response: HttpResponseBase) -> None:
        """Remove the cookie. Browsers require the attributes of a prefix for the removal too."""
        self.set(response, "", 0)


ACCESS = Cookie("__Host-access", "dev-access", "/", "Lax")
REFRESH = Cookie("__Secure-refresh", "dev-refresh", "/api/v1/auth", "Strict")
# The only cookie that scripts of the page read, to send it as X-CSRFToken.
CSRF = Cookie("__Host-csrftoken", "dev-csrftoken", "/", "Strict", httponly=False)


def wants_cookies(request: Request) -> bool:
    """Return whether `delivery` is `cookie`. Raise FieldError for another value, CSRF_FAILED for a foreign site."""
    delivery = request.query_params.get("delivery", "body")
    if delivery not in {"body", "cookie"}:
        raise FieldError("delivery", "invalid", "Must be cookie, or absent.")
    if delivery == "cookie":
        check_origin(request)
    return delivery == "cookie"


def csrf_token(session_id: UUID) -> str:
    return csrf_tokens(session_id)[0]


def csrf_tokens(session_id: UUID) -> list[str]:
    """Return the token of a session for the current SECRET_KEY, then those for older keys."""
    return keys.hexdigests("accounts.csrf", session_id.hex)


def check_csrf(request: HttpRequest, session_id: UUID) -> None:
    """Raise ApiError CSRF_FAILED if an unsafe request is without the token of its session or of a foreign site."""
    if request.method in SAFE_METHODS:
        return
    sent = request.META.get("HTTP_X_CSRFTOKEN", "")
    if not any(constant_time_compare(sent, token) for token in csrf_tokens(session_id)):
        raise ApiError("CSRF_FAILED")
    check_origin(request)


def check_origin(request: HttpRequest) -> None:
    """Raise ApiError CSRF_FAILED if the `Origin` header, which browsers send, is a foreign site."""
    origin = request.META.get("HTTP_ORIGIN")
    if origin is None:
        return
    own = f"{request.scheme}://{request.get_host()}"
    if origin != own and origin not in settings.CORS_ALLOWED_ORIGINS and not is_trusted(origin):
        raise ApiError("CSRF_FAILED")


def is_trusted(origin: str) -> bool:
    """Return whether the origin is in CSRF_TRUSTED_ORIGINS, as Django decides it for the admin."""
    trusted = CsrfViewMiddleware(lambda _request: None)  # type: ignore[arg-type]
    try:
        parts = urlsplit(origin)
    except ValueError:  # `https://[`
        return False
    return origin in trusted.allowed_origins_exact or any(
        is_same_domain(parts.netloc, domain)
        for domain in trusted.allowed_origin_subdomains.get(parts.scheme, ())
    )


def set_cookies(response: HttpResponseBase, pair: TokenPair) -> None:
    session = pair.session
    ACCESS.set(response, pair.access, lifetime_seconds())
    age = round((session.expires_at - session.rotated_at).total_seconds())
    REFRESH.set(response, pair.refresh, age)
    CSRF.set(response, csrf_token(session.pk), age)


def set_csrf_cookie(response: HttpResponseBase, session: Session) -> None:
    """Set the CSRF cookie again, for the rest of the session."""
    age = round((session.expires_at - timezone.now()).total_seconds())
    CSRF.set(response, csrf_token(session.pk), age)


def any_of(request: Request) -> bool:
    """Return whether the request has one of the cookies."""
    return any(cookie.of(request) for cookie in (ACCESS, REFRESH, CSRF))


def clear_cookies(response: HttpResponseBase) -> None:
    for cookie in (ACCESS, REFRESH, CSRF):
        cookie.clear(response)
