"""Authentication by an API key, with one indexed query for key and user."""

from functools import cache
from uuid import uuid4

from django.db.models import QuerySet
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.api_keys.models import ApiKey
from accounts.api_keys.secrets import PREFIX, is_well_formed
from accounts.api_keys.services import record_refused, record_use
from accounts.authentication import USER_COLUMNS, bearer_token
from accounts.models import User
from accounts.tokens import digest
from core.api.scopes import Scoped, check_view
from core.db import statements as compiled
from core.db.owner_versions import remember
from core.db.statements import Statement
from core.web.errors import ApiError
from core.web.request_context import identify

KEY_COLUMNS = ("id", "user_id", "scopes", "expires_at", "last_used_at", "revoked_at")
COLUMNS = (*KEY_COLUMNS, *(f"user__{name}" for name in USER_COLUMNS), "user__owner_version__token")


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer gw_…`. `request.auth` is the ApiKey.

    An ApiView checks the scope after its rate limit. For a view of plain REST framework it is checked here: without a
    `key_scope` it refuses keys.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        token = bearer_token(request)
        if token is None or not token.startswith(PREFIX):
            return None
        key = live_key(token)
        view = request.parser_context.get("view")
        if not isinstance(view, Scoped):
            check_view(key, view, str(request.method))
        identify(key.user_id)
        record_use(key)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def live_key(token: str) -> ApiKey:
    """Return the key with its user. Raise ApiError: UNAUTHORIZED for a text that is no key of this database,
    TOKEN_REVOKED, TOKEN_EXPIRED, and the `api_refusal` of the user."""
    key = key_of(digest(token)) if is_well_formed(token) else None
    if key is None:
        raise ApiError("UNAUTHORIZED")
    if not key.is_live or not key.user.is_active:
        record_refused(key)
        is_expired = key.revoked_at is None and key.user.is_active
        raise ApiError("TOKEN_EXPIRED" if is_expired else "TOKEN_REVOKED")
    if (refusal := key.user.api_refusal) is not None:
        raise ApiError(refusal)
    return key


def key_of(key_hash: str) -> ApiKey | None:
    """Return the key with the columns that a request needs. The others are deferred."""
    if not compiled.applies():
        key: ApiKey | None = rows_of(key_hash).first()
        if key is not None:
            remember(key.user, getattr(getattr(key.user, "owner_version", None), "token", None))
        return key
    rows = key_statement().run({"hash": key_hash})
    if not rows:
        return None
    size = len(KEY_COLUMNS)
    key = ApiKey.from_db("default", KEY_COLUMNS, rows[0][:size])
    key.user = User.from_db("default", USER_COLUMNS, rows[0][size:-1])
    remember(key.user, rows[0][-1])
    return key


def rows_of(key_hash: str) -> QuerySet[ApiKey]:
    rows = ApiKey.objects.filter(key_hash=key_hash).select_related("user", "user__owner_version")
    return rows.only(*COLUMNS)


@cache
def key_statement() -> Statement:
    placeholder = uuid4().hex
    return compiled.compiled(
        ApiKey.objects.filter(key_hash=placeholder).values_list(*COLUMNS), {"hash": placeholder}
    )
