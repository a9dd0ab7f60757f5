"""Authenticators of the paths under /auth that accept other tokens than a valid access token."""

from contextlib import AbstractContextManager

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts import cookies, tokens
from accounts.authentication import accept, bearer_token, clearing, live_session
from accounts.models import Session, User
from accounts.serializers import RefreshSerializer
from accounts.services import sessions
from accounts.services.sessions import PresentedToken
from core.api.serializers import refuse_unknown_fields
from core.web.errors import ApiError, FieldError


class LogoutRequest(Request):
    """A request after LogoutAuthentication, for the types of the view."""

    auth: Session | None


class RefreshRequest(Request):
    """A request after RefreshAuthentication, for the types of the view."""

    auth: PresentedToken | None


MAX_REFRESH_BODY = 8 * 1024  # twice the longest token: a longer body is rate limited before it is parsed


def session_of_cookies(request: Request) -> Session:
    """Return the live session of the access or else the refresh cookie, expired or not.

    Raise ApiError UNAUTHORIZED or TOKEN_REVOKED without one. That response removes the cookies.
    """
    refusal = ApiError("UNAUTHORIZED")
    for cookie, kind in ((cookies.ACCESS, tokens.ACCESS), (cookies.REFRESH, tokens.REFRESH)):
        try:
            return live_session(tokens.read(cookie.of(request), kind, may_be_expired=True))
        except ApiError as error:
            refusal = refusal if error.code == "UNAUTHORIZED" else error
    refusal.finish = cookies.clear_cookies
    raise refusal


def session_of_refresh_cookie(request: Request) -> Session | None:
    """Return the session of a genuine refresh cookie, expired or not, or None. No refusal is recorded."""
    try:
        claims = tokens.read(cookies.REFRESH.of(request), tokens.REFRESH, may_be_expired=True)
    except ApiError:
        return None
    return Session.objects.filter(pk=claims.session_id, user=claims.user_id).first()


def refuse_api_key(token: str | None) -> None:
    """Raise ApiError FORBIDDEN for an API key: it manages no session."""
    if token is not None and token.startswith(tokens.API_KEY_PREFIX):
        raise ApiError("FORBIDDEN", message=_("An API key may not do this."))


class CookieAuthentication(BaseAuthentication):
    """Authentication by either cookie of a web client, also an expired one."""

    def authenticate(self, request: Request) -> tuple[User, Session]:
        refuse_api_key(bearer_token(request))
        return accept(session_of_cookies(request))


class LogoutAuthentication(BaseAuthentication):
    """Authentication by an access token, also an expired one, or by either cookie with its CSRF token.

    It returns None for cookies without a live session: then there is nothing to end.
    """

    def authenticate(self, request: Request) -> tuple[User, Session] | None:
        token = bearer_token(request)
        refuse_api_key(token)
        if token is not None:
            return accept(live_session(tokens.read(token, tokens.ACCESS, may_be_expired=True)))
        cookies.check_origin(request)
        try:
            session = session_of_cookies(request)
        except ApiError:
            if not cookies.any_of(request):
                raise
            return None
        cookies.check_csrf(request, session.pk)
        return accept(session)


class RefreshAuthentication(BaseAuthentication):
    """Authentication by a refresh token. With a valid one the user is that of its session, otherwise anonymous. So a
    refresh counts in the rate limit of its user, any other request in that of its IP address."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, PresentedToken] | None:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if request.method != "POST" or not length.isdecimal() or int(length) > MAX_REFRESH_BODY:
            return None
        presented = presented_token(request)
        if not presented.is_good:
            return AnonymousUser(), presented
        return presented.session.user, presented


def presented_token(request: Request) -> PresentedToken:
    """Return the token of the body, or else of the cookie. Raise ApiError, DRF's ValidationError."""
    serializer = RefreshSerializer(data=request.data)
    refuse_unknown_fields(serializer, request.data, request)
    serializer.is_valid(raise_exception=True)
    token = serializer.validated_data.get("refreshToken")
    if token is not None:
        return sessions.presented(token=token)
    token = cookies.REFRESH.of(request)
    if not token:
        raise FieldError("refreshToken", "required", "This field is required.")
    with clearing_refused_refresh():
        presented = sessions.presented(token=token)
    cookies.check_csrf(request, presented.session.pk)
    return presented


def clearing_refused_refresh() -> AbstractContextManager[None]:
    """Remove all cookies with a refused refresh token, because the session cannot continue without it."""
    return clearing(cookies.clear_cookies, "UNAUTHORIZED", "TOKEN_EXPIRED", "TOKEN_REVOKED")
