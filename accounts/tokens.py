"""JWTs, encoded and verified by the backend of SimpleJWT. The Session row decides whether they are valid.

Nothing else of SimpleJWT is used: its views return two token families to two parallel refreshes, and with its
blacklist an access token is still valid after logout.
"""

import hashlib
import re
import secrets
import time
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple, TypeGuard
from uuid import UUID

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken

from core.web import keys
from core.web.errors import ApiError

ALGORITHM = "HS256"
LEEWAY_SECONDS = 30  # for nbf and iat: new tokens of a node whose clock is ahead must be valid
MAX_TOKEN = 4096
COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
ACCESS, REFRESH = "access", "refresh"
API_KEY_PREFIX = "gw_"  # of what is no JWT: accounts/api_keys


@cache
def backends(leeway: float = LEEWAY_SECONDS) -> list[TokenBackend]:
    """Return a backend for the signing key, then for each older key that is still accepted (ASVS 5.0, 13.3.4)."""
    keys = [settings.JWT_SIGNING_KEY, *settings.JWT_VERIFYING_KEYS]
    issuer = settings.PRODUCT_NAME
    return [
        TokenBackend(ALGORITHM, signing_key=key, issuer=issuer, audience=f"{issuer} API", leeway=leeway)
        for key in keys
    ]


def access_token(*, user_id: UUID, session_id: UUID, now: datetime) -> str:
    issued = int(now.timestamp())
    return encode(ACCESS, user_id, session_id, secrets.token_hex(8), issued, issued + lifetime_seconds())


def refresh_token(*, user_id: UUID, session_id: UUID, jti: str, now: datetime, expires_at: datetime) -> str:
    """Return a token that depends on the arguments only, so that a lost response can be repeated."""
    return encode(REFRESH, user_id, session_id, jti, int(now.timestamp()), int(expires_at.timestamp()))


def lifetime_seconds() -> int:
    return round(settings.ACCESS_TOKEN_LIFETIME.total_seconds())


def encode(kind: str, user_id: UUID, session_id: UUID, jti: str, issued: int, expires: int) -> str:
    return backends()[0].encode(
        {
            "token_type": kind,
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": jti,
            "iat": issued,
            "exp": expires,
        }
    )


class Claims(NamedTuple):
    """The claims of a genuine token."""

    user_id: UUID
    session_id: UUID
    jti: str
    kind: str
    expires: int


def read(token: str, kind: str, *, may_be_expired: bool = False) -> Claims:
    """Return the claims. Raise ApiError UNAUTHORIZED for a token that is forged, malformed or of another kind, and
    TOKEN_EXPIRED for a genuine one that has expired. Raise nothing else for any token.

    With `may_be_expired` a token is read for the maximum lifetime of its session, to identify the session.
    """
    claims = genuine(token)
    if claims.kind != kind:
        raise ApiError("UNAUTHORIZED")
    # The leeway is for clocks that are ahead. It does not extend a lifetime.
    if claims.expires <= time.time() and not may_be_expired:
        raise ApiError("TOKEN_EXPIRED")
    return claims


@lru_cache(maxsize=4096)
def genuine(token: str) -> Claims:
    """Return the claims of a token with a valid signature. A process verifies a token once, because its signature
    does not change. Refusals are not cached. Callers check the expiry and the session of each request."""
    payload = verified_payload(token)
    issued, expires, jti = payload.get("iat"), payload.get("exp"), payload.get("jti")
    if not _is_time(issued) or not _is_time(expires) or not isinstance(jti, str) or not jti:
        raise ApiError("UNAUTHORIZED")
    kind = str(payload.get("token_type"))
    return Claims(_uuid(payload.get("sub")), _uuid(payload.get("sid")), jti, kind, expires)


def verified_payload(token: str, leeway: float = LEEWAY_SECONDS) -> dict[str, Any]:
    if len(token) > MAX_TOKEN or not COMPACT.fullmatch(token):
        raise ApiError("UNAUTHORIZED")
    maximum = settings.SESSION_LIFETIME.total_seconds()
    for backend in backends(leeway):
        try:
            payload: Any = backend.decode(token)  # type: ignore[arg-type]  # it takes the encoded text
        except TokenBackendExpiredToken as error:
            if leeway < maximum:  # genuine: `read` decides whether the expiry matters
                return verified_payload(token, maximum)
            raise ApiError("TOKEN_EXPIRED") from error
        except TokenBackendError:
            continue
        except Exception as error:
            # PyJWT raises other exceptions for claims of unexpected types and sizes. Such a token is not valid.
            raise ApiError("UNAUTHORIZED") from error
        if isinstance(payload, dict):
            return payload
    raise ApiError("UNAUTHORIZED")


def _is_time(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53


def _uuid(value: Any) -> UUID:
    if not isinstance(value, str) or len(value) != 36:
        raise ApiError("UNAUTHORIZED")
    try:
        return UUID(value)
    except ValueError as error:
        raise ApiError("UNAUTHORIZED") from error


# --- the secrets behind the tokens ---------------------------------------------------------------


def new_jti() -> str:
    return secrets.token_urlsafe(32)


def child_jtis(parent_jti: str) -> list[str]:
    """Return the next jti, first that of the current SECRET_KEY, then those of older keys. They can be computed from
    the parent, but not from the database."""
    return keys.hexdigests("accounts.refresh-child", parent_jti)


def digest(secret: str) -> str:
    """Return the hash of a secret for the database. Secrets are random, so a plain hash cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()
