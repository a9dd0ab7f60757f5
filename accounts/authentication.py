"""The bearer token of a request, and the session it names: one indexed query, on the database, each time."""

from functools import cache
from uuid import UUID, uuid4

from django.db.models import QuerySet
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts import tokens
from accounts.cookies import ACCESS_COOKIE, check_csrf
from accounts.models import Session, User
from accounts.services.sessions import record_refused_token
from core import compiled
from core.compiled import Statement
from core.context import identify
from core.errors import ApiError
from core.revisions import remember


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
        header = request._request.META.get("HTTP_AUTHORIZATION")
        if not header:
            return self.from_cookie(request)
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise ApiError("UNAUTHORIZED")
        return self.accept(request, live_session(tokens.read(token.strip(), tokens.ACCESS)))

    def from_cookie(self, request: Request) -> tuple[User, Session] | None:
        """Only without an Authorization header, so that two identities are never mixed."""
        token = request.COOKIES.get(ACCESS_COOKIE)
        if not token:
            return None
        session = live_session(tokens.read(token, tokens.ACCESS))
        check_csrf(request._request, session.pk)
        return self.accept(request, session)

    def accept(self, request: Request, session: Session) -> tuple[User, Session]:
        identify(session.user_id)
        return session.user, session

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


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
            remember(session.user, getattr(getattr(session.user, "revision", None), "number", None))
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


COLUMNS = (*SESSION_COLUMNS, *(f"user__{name}" for name in USER_COLUMNS), "user__revision__number")


def rows_of(session_id: UUID, user_id: UUID) -> QuerySet[Session]:
    rows = Session.objects.filter(pk=session_id, user=user_id)
    return rows.select_related("user", "user__revision").only(*COLUMNS)


@cache
def session_statement() -> Statement:
    stand_ins = {"session": uuid4(), "user": uuid4()}
    rows = Session.objects.filter(pk=stand_ins["session"], user=stand_ins["user"])
    return compiled.compiled(rows.values_list(*COLUMNS), stand_ins)
