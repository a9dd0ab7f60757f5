"""Authenticators of the paths under /auth that take more than a valid access token."""

from contextlib import AbstractContextManager

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts import cookies, tokens
from accounts.authentication import accept, bearer_token, clearing, live_session
from accounts.models import Session, User
from accounts.serializers import RefreshSerializer
from accounts.services import sessions
from accounts.services.sessions import PresentedToken
from core.web.errors import ApiError, FieldError


class LogoutRequest(Request):
    """A request that LogoutAuthentication has let in, for the types of the view behind it."""

    auth: Session | None


class RefreshRequest(Request):
    """The same for RefreshAuthentication."""

    auth: PresentedToken | None


MAX_REFRESH_BODY = 8 * 1024  # twice the longest token: a longer body is not parsed before it is counted


def session_of_cookies(request: Request) -> Session:
    """Return the live session that the access or else the refresh cookie names, expired or not.

    Raises ApiError UNAUTHORIZED or TOKEN_REVOKED without one; that answer removes the cookies.
    """
    refusal = ApiError("UNAUTHORIZED")
    for cookie, kind in ((cookies.ACCESS, tokens.ACCESS), (cookies.REFRESH, tokens.REFRESH)):
        try:
            return live_session(tokens.read(cookie.of(request), kind, may_be_expired=True))
        except ApiError as error:
            refusal = refusal if error.code == "UNAUTHORIZED" else error
    refusal.finish = cookies.clear_cookies
    raise refusal


class CookieAuthentication(BaseAuthentication):
    """Either cookie of a web client, also an expired one."""

    def authenticate(self, request: Request) -> tuple[User, Session]:
        return accept(session_of_cookies(request))


class LogoutAuthentication(BaseAuthentication):
    """An access token, also an expired one, or either cookie with its CSRF token.

    None where cookies name no live session: then there is nothing to end.
    """

    def authenticate(self, request: Request) -> tuple[User, Session] | None:
        token = bearer_token(request)
        if token is not None:
            return accept(live_session(tokens.read(token, tokens.ACCESS, may_be_expired=True)))
        cookies.check_origin(request._request)
        try:
            session = session_of_cookies(request)
        except ApiError:
            if not cookies.any_of(request):
                raise
            return None
        cookies.check_csrf(request._request, session.pk)
        return accept(session)


class RefreshAuthentication(BaseAuthentication):
    """A refresh token. While it is good the user is that of its session, otherwise an anonymous one: so a refresh
    counts in the rate of its user, everything else in that of its address."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, PresentedToken] | None:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if request.method != "POST" or not length.isdecimal() or int(length) > MAX_REFRESH_BODY:
            return None
        presented = presented_token(request)
        if not presented.is_good:
            return AnonymousUser(), presented
        return presented.session.user, presented


def presented_token(request: Request) -> PresentedToken:
    """Return what the body holds, or else the cookie. Raises ApiError, DRF's ValidationError."""
    serializer = RefreshSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    token = serializer.validated_data.get("refreshToken")
    if token is not None:
        return sessions.presented(token=token)
    token = cookies.REFRESH.of(request)
    if not token:
        raise FieldError("refreshToken", "required", "This field is required.")
    with clearing_refused_refresh():
        presented = sessions.presented(token=token)
    cookies.check_csrf(request._request, presented.session.pk)
    return presented


def clearing_refused_refresh() -> AbstractContextManager[None]:
    """Without its refresh token a session cannot go on: all cookies are of no use then."""
    return clearing(cookies.clear_cookies, "UNAUTHORIZED", "TOKEN_EXPIRED", "TOKEN_REVOKED")
