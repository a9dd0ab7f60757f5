"""The token of a request, and the session it names: one indexed query, on the database, each time.

An authenticator returns None for an `Authorization` of another scheme than its own, so that another may follow.
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
    """A request that SessionTokenAuthentication has let in, for the types of the views behind it."""

    user: User
    auth: Session


class SessionTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>` (RFC 6750), or the cookie of a web client. `request.auth` is the Session.

    Logout, a password change, a deletion or a new role take effect with the next request, because session and
    user are read from the database and nothing is believed that the token says about them.
    """

    def authenticate(self, request: Request) -> tuple[User, Session] | None:
        token = bearer_token(request)
        if token is None:
            return self.from_cookie(request)
        return accept(live_session(tokens.read(token, tokens.ACCESS)))

    def from_cookie(self, request: Request) -> tuple[User, Session] | None:
        """Only without a bearer token, so that two identities are never mixed."""
        token = cookies.ACCESS.of(request)
        if not token:
            return None
        # One that has expired removes itself, and another tab may have a new one already.
        with clearing(cookies.ACCESS.clear, "UNAUTHORIZED"), clearing(cookies.clear_cookies, "TOKEN_REVOKED"):
            session = live_session(tokens.read(token, tokens.ACCESS))
        cookies.check_csrf(request, session.pk)
        return accept(session)

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
    """Let an answer with one of these codes remove cookies from the browser, whose own scripts cannot."""
    try:
        yield
    except ApiError as error:
        if error.code in codes:
            error.finish = clear
        raise


def live_session(claims: tokens.Claims) -> Session:
    """The session of a genuine token, with its user. Raises ApiError TOKEN_REVOKED when either has ended."""
    session = session_of(claims)
    if session is None or not session.is_live or not session.user.is_active:
        record_refused_token(claims, session)
        raise ApiError("TOKEN_REVOKED")
    return session


def session_of(claims: tokens.Claims) -> Session | None:
    """What a request is told of its session; the rest of the row is read when somebody asks for it."""
    if not compiled.applies():
        session: Session | None = rows_of(claims.session_id, claims.user_id).first()
        if session is not None:
            remember(session.user, getattr(getattr(session.user, "owner_version", None), "token", None))
        return session
    found = session_statement().run({"session": claims.session_id, "user": claims.user_id})
    if not found:
        return None
    size = len(SESSION_COLUMNS)
    session = Session.from_db("default", SESSION_COLUMNS, found[0][:size])
    session.user = User.from_db("default", USER_COLUMNS, found[0][size:-1])
    remember(session.user, found[0][-1])
    return session


SESSION_COLUMNS = ("id", "user_id", "expires_at", "ended_at")
USER_COLUMNS = tuple(field.attname for field in User._meta.concrete_fields if field.name != "search_text")


COLUMNS = (*SESSION_COLUMNS, *(f"user__{name}" for name in USER_COLUMNS), "user__owner_version__token")


def rows_of(session_id: UUID, user_id: UUID) -> QuerySet[Session]:
    rows = Session.objects.filter(pk=session_id, user=user_id)
    return rows.select_related("user", "user__owner_version").only(*COLUMNS)


@cache
def session_statement() -> Statement:
    stand_ins = {"session": uuid4(), "user": uuid4()}
    rows = Session.objects.filter(pk=stand_ins["session"], user=stand_ins["user"])
    return compiled.compiled(rows.values_list(*COLUMNS), stand_ins)
