"""JWTs, made and checked by SimpleJWT's backend; what they mean is decided here and by the Session row.

Nothing else of SimpleJWT is used: its views hand two token families to two parallel refreshes, and its
blacklist leaves an access token alive after logout.
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
LEEWAY_SECONDS = 30  # for nbf and iat: a node whose clock is ahead must not make fresh tokens unusable
LONGEST_TOKEN = 4096
COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
ACCESS, REFRESH = "access", "refresh"


@cache
def backends(leeway: float = LEEWAY_SECONDS) -> list[TokenBackend]:
    """The signing key first, then the older keys that are still accepted (ASVS 5.0, 13.3.4)."""
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
    """Deterministic: the same arguments give the same token, so a lost answer can be given again."""
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
    """What a genuine token says."""

    user_id: UUID
    session_id: UUID
    jti: str
    kind: str
    expires: int


def read(token: str, kind: str, *, may_be_expired: bool = False) -> Claims:
    """Raises ApiError UNAUTHORIZED for whatever is forged, odd or of another kind, TOKEN_EXPIRED for a genuine
    token past its time. Nothing else, whatever the token holds.

    With `may_be_expired` a token is read as long as its session can last: it still says which session it was.
    """
    claims = genuine(token)
    if claims.kind != kind:
        raise ApiError("UNAUTHORIZED")
    # The leeway is for clocks that are ahead, not for longer lives.
    if claims.expires <= time.time() and not may_be_expired:
        raise ApiError("TOKEN_EXPIRED")
    return claims


@lru_cache(maxsize=4096)
def genuine(token: str) -> Claims:
    """A signature that was right stays right, so that a token is verified once in a process and not with each of its
    requests. Refusals are not kept. Whether it has expired or its session has ended is asked each time."""
    payload = verified_payload(token)
    issued, expires, jti = payload.get("iat"), payload.get("exp"), payload.get("jti")
    if not _is_time(issued) or not _is_time(expires) or not isinstance(jti, str) or not jti:
        raise ApiError("UNAUTHORIZED")
    kind = str(payload.get("token_type"))
    return Claims(_uuid(payload.get("sub")), _uuid(payload.get("sid")), jti, kind, expires)


def verified_payload(token: str, leeway: float = LEEWAY_SECONDS) -> dict[str, Any]:
    if len(token) > LONGEST_TOKEN or not COMPACT.fullmatch(token):
        raise ApiError("UNAUTHORIZED")
    longest = settings.SESSION_LIFETIME.total_seconds()
    for backend in backends(leeway):
        try:
            payload: Any = backend.decode(token)  # type: ignore[arg-type]  # it takes the encoded text
        except TokenBackendExpiredToken as error:
            if leeway < longest:  # genuine so far: `read` decides whether its expiry matters
                return verified_payload(token, longest)
            raise ApiError("TOKEN_EXPIRED") from error
        except TokenBackendError:
            continue
        except Exception as error:
            # PyJWT trips over claims of odd types and sizes; a token that is not understood is not valid.
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
    """The jti that follows this one, and those that servers with another SECRET_KEY make follow it. They can be
    computed again from the parent, but not from the database."""
    return keys.hexdigests("accounts.refresh-child", parent_jti)


def digest(secret: str) -> str:
    """What the database keeps of a secret. The secrets are random, so a plain hash cannot be searched."""
    return hashlib.sha256(secret.encode()).hexdigest()
