"""Tokens for web clients: in cookies that scripts cannot read, with a CSRF token bound to the session.

The access cookie is `__Host-` (this host only, over HTTPS only, every path). The refresh cookie travels to its
one endpoint. The CSRF token is an HMAC of the session's id, so one from another session, or one that a
sibling domain has planted, does not fit (ASVS 5.0, 3.3 and 3.5.1).
"""

from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import tokens
from accounts.services.sessions import TokenPair
from core.errors import ApiError, FieldError

ACCESS_COOKIE = "__Host-access"
REFRESH_COOKIE = "__Secure-refresh"
CSRF_COOKIE = "__Host-csrftoken"
REFRESH_PATH = "/api/v1/auth/refresh"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def wants_cookies(request: Request) -> bool:
    """`?delivery=cookie`. Raises FieldError for another value, ApiError CSRF_FAILED from a foreign site."""
    delivery = request.query_params.get("delivery", "body")
    if delivery not in {"body", "cookie"}:
        raise FieldError("delivery", "invalid", "Must be cookie, or absent.")
    if delivery == "cookie":
        check_origin(request._request)
    return delivery == "cookie"


def csrf_token(session_id: UUID) -> str:
    return salted_hmac("groundwork.csrf", session_id.hex, algorithm="sha256").hexdigest()


def check_csrf(request: HttpRequest, session_id: UUID) -> None:
    """Raises ApiError CSRF_FAILED unless an unsafe request carries its session's token, from an own site."""
    if request.method in SAFE_METHODS:
        return
    if not constant_time_compare(request.META.get("HTTP_X_CSRFTOKEN", ""), csrf_token(session_id)):
        raise ApiError("CSRF_FAILED")
    check_origin(request)


def refresh_token(request: Request) -> str:
    """The refresh token of the cookie. Raises FieldError without one, ApiError for a bad one or a missing
    CSRF token."""
    token = request.COOKIES.get(REFRESH_COOKIE)
    if not token:
        raise FieldError("refreshToken", "required", "This field is required.")
    check_csrf(request._request, tokens.read(token, tokens.REFRESH).session_id)
    return str(token)


def check_origin(request: HttpRequest) -> None:
    """A browser names the site that a request comes from. Raises ApiError CSRF_FAILED for one that is not ours."""
    origin = request.META.get("HTTP_ORIGIN")
    if origin is None:
        return
    own = f"{request.scheme}://{request.get_host()}"
    trusted = {own, *settings.CSRF_TRUSTED_ORIGINS, *settings.CORS_ALLOWED_ORIGINS}
    if origin not in trusted or not urlsplit(origin).netloc:
        raise ApiError("CSRF_FAILED")


def set_cookies(response: Response, pair: TokenPair) -> None:
    access_age = round(settings.ACCESS_TOKEN_LIFETIME.total_seconds())
    refresh_age = round((pair.session.expires_at - pair.session.rotated_at).total_seconds())
    flags: dict[str, Any] = {"secure": True, "httponly": True}
    response.set_cookie(ACCESS_COOKIE, pair.access, max_age=access_age, samesite="Lax", **flags)
    response.set_cookie(
        REFRESH_COOKIE, pair.refresh, max_age=refresh_age, path=REFRESH_PATH, samesite="Strict", **flags
    )
    # The one cookie that the site's own scripts read, to send it back as X-CSRFToken.
    response.set_cookie(
        CSRF_COOKIE, csrf_token(pair.session.pk), max_age=refresh_age, secure=True, samesite="Strict"
    )


def clear_cookies(response: Response) -> None:
    """Browsers accept the removal of a prefixed cookie only with the attributes that its prefix demands."""
    removed: tuple[tuple[str, str, Literal["Lax", "Strict"]], ...] = (
        (ACCESS_COOKIE, "/", "Lax"),
        (REFRESH_COOKIE, REFRESH_PATH, "Strict"),
        (CSRF_COOKIE, "/", "Strict"),
    )
    for name, path, samesite in removed:
        response.set_cookie(name, "", max_age=0, path=path, secure=True, httponly=True, samesite=samesite)
