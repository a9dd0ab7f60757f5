"""Authentication of a request by its token and the session in the database, with one indexed query.

An authenticator returns None for an `Authorization` header of another scheme, so that DRF tries the next one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from uuid import UUID, uuid4

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts import cookies, tokens
from accounts.models import Session, User
from accounts.services.sessions import record_refused_token
from core.db import statements as compiled
from core.db.owner_versions import remember
from core.db.statements import Statement
from core.web.errors import ApiError
from core.web.request_context import identify


class UserRequest(Request):
    """A request after SessionTokenAuthentication, for the types of the views."""

    user: User
    auth: Session


class SessionTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>` (RFC 6750), or the cookie of a web client. `request.auth` is the Session.

    Logout, a new password, a deletion or a new role take effect with the next request, because session and user are
    read from the database. The token has only their ids.

    REQUIRE_VERIFIED_EMAIL and MFA_REQUIRED_FOR count here too, for views of plain REST framework: an ApiView tests them
    after any authentication. Views of the own account and of `/auth` have `admits_unverified = True`: with them a user
    verifies or corrects the address, adds a second factor, ends sessions, or deletes the account.
    """

    def authenticate(self, request: Request) -> tuple[User, Session] | None:
        token = bearer_token(request)
        if token is None:
            return self.from_cookie(request)
        if token.startswith(tokens.API_KEY_PREFIX):
            return None  # of the next class
        return self.admit(request, live_session(tokens.read(token, tokens.ACCESS)))

    def admit(self, request: Request, session: Session) -> tuple[User, Session]:
        """Return user and session. Raise ApiError with `User.api_refusal`."""
        user, session = accept(session)
        view = request.parser_context.get("view")
        refusal = user.api_refusal
        if refusal is not None and not getattr(view, "admits_unverified", False):
            raise ApiError(refusal)
        return user, session

    def from_cookie(self, request: Request) -> tuple[User, Session] | None:
        """Authenticate by cookie. Call it only without a bearer token, so that two identities are never mixed."""
        token = cookies.ACCESS.of(request)
        if not token:
            return None
        # An expired cookie is not removed: the browser drops it, and another tab may have set a new one.
        with clearing(cookies.ACCESS.clear, "UNAUTHORIZED"), clearing(cookies.clear_cookies, "TOKEN_REVOKED"):
            session = live_session(tokens.read(token, tokens.ACCESS))
        cookies.check_csrf(request, session.pk)
        return self.admit(request, session)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def bearer_token(request: Request) -> str | None:
    """Return the token of `Authorization: Bearer …`, or None without one."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def accept(session: Session) -> tuple[User, Session]:
    identify(session.user_id)
    return session.user, session


@contextmanager
def clearing(clear: Callable[[HttpResponseBase], None], *codes: str) -> Iterator[None]:
    """Remove cookies in a response with one of these codes, because scripts of the page cannot remove them."""
    try:
        yield
    except ApiError as error:
        if error.code in codes:
            error.finish = clear
        raise


def live_session(claims: tokens.Claims) -> Session:
    """Return the session with its user. Raise ApiError TOKEN_REVOKED if it has ended or the user is not active."""
    session = session_of(claims)
    if session is None or not session.is_live or not session.user.is_active:
        record_refused_token(claims, session)
        raise ApiError("TOKEN_REVOKED")
    return session


def session_of(claims: tokens.Claims) -> Session | None:
    """Return the session with the columns that a request needs. The others are deferred."""
    if not compiled.applies():
        session: Session | None = rows_of(claims.session_id, claims.user_id).first()
        if session is not None:
            remember(session.user, getattr(getattr(session.user, "owner_version", None), "token", None))
        return session
    rows = session_statement().run({"session": claims.session_id, "user": claims.user_id})
    if not rows:
        return None
    size = len(SESSION_COLUMNS)
    session = Session.from_db("default", SESSION_COLUMNS, rows[0][:size])
    session.user = User.from_db("default", USER_COLUMNS, rows[0][size:-1])
    remember(session.user, rows[0][-1])
    return session


SESSION_COLUMNS = ("id", "user_id", "expires_at", "ended_at")
USER_COLUMNS = tuple(field.attname for field in User._meta.concrete_fields if field.name != "search_text")
COLUMNS = (*SESSION_COLUMNS, *(f"user__{name}" for name in USER_COLUMNS), "user__owner_version__token")


def rows_of(session_id: UUID, user_id: UUID) -> QuerySet[Session]:
    rows = Session.objects.filter(pk=session_id, user=user_id)
    return rows.select_related("user", "user__owner_version").only(*COLUMNS)


@cache
def session_statement() -> Statement:
    placeholders = {"session": uuid4(), "user": uuid4()}
    rows = Session.objects.filter(pk=placeholders["session"], user=placeholders["user"])
    return compiled.compiled(rows.values_list(*COLUMNS), placeholders)
