"""Verification of ID tokens (OpenID Connect Core 1.0, 3.1.3.7), by PyJWT."""

from datetime import datetime
from typing import Any

import jwt
from django.utils.crypto import constant_time_compare

from accounts.oidc.configuration import Provider
from accounts.oidc.discovery import keys_of
from accounts.oidc.models import MAX_SUBJECT

# Asymmetric ones only: with HS256 a public key, or the client secret, would sign.
KEY_TYPES = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
MIN_RSA_BITS = 2048
MAX_TOKEN = 16 * 1024
LEEWAY_SECONDS = 60
REQUIRED = ["iss", "sub", "aud", "exp", "iat", "nonce"]


class IdTokenRefused(Exception):
    """The provider has sent an ID token that proves nothing. The message is a reason for the log."""


def verified_claims(token: Any, provider: Provider, *, nonce: str, since: datetime) -> dict[str, Any]:
    """Return the claims of a token for this sign-in, which has begun at `since`. Raise IdTokenRefused, and
    ProviderUnavailable."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN:
        raise IdTokenRefused("no_token")
    key, algorithm = key_for(token, provider)
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=provider.client_id,
            issuer=provider.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": REQUIRED},
        )
        check_claims(claims, provider, nonce=nonce, since=since)
    except jwt.PyJWTError as error:
        raise IdTokenRefused(type(error).__name__) from error
    except (ValueError, TypeError, OverflowError) as error:  # claims of unexpected types and sizes
        raise IdTokenRefused("invalid_claims") from error
    return claims


def key_for(token: str, provider: Provider) -> tuple[Any, str]:
    """Return the key that the header names, and the algorithm. Raise IdTokenRefused, and ProviderUnavailable."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise IdTokenRefused("malformed") from error
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in KEY_TYPES:
        raise IdTokenRefused("algorithm")
    matching = matching_keys(keys_of(provider), algorithm, kid)
    if not matching:
        matching = matching_keys(keys_of(provider, is_unknown=True), algorithm, kid)
    if len(matching) != 1:
        raise IdTokenRefused("unknown_key")
    try:
        key = jwt.PyJWK(matching[0], algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise IdTokenRefused("invalid_key") from error
    if KEY_TYPES[algorithm] == "RSA" and key.key_size < MIN_RSA_BITS:
        raise IdTokenRefused("weak_key")
    return key, algorithm


def matching_keys(keys: list[dict[str, Any]], algorithm: str, kid: Any) -> list[dict[str, Any]]:
    """Return the keys that may have signed. Without an id in the header it must be the only one of its type."""
    return [
        key
        for key in keys
        if key.get("kty") == KEY_TYPES[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid") == kid)
    ]


def check_claims(claims: dict[str, Any], provider: Provider, *, nonce: str, since: datetime) -> None:
    """Check what PyJWT does not. Raise IdTokenRefused, and TypeError or ValueError for claims of unexpected types."""
    audience, party = claims["aud"], claims.get("azp")
    if (
        (isinstance(audience, list) and len(audience) > 1) or party is not None
    ) and party != provider.client_id:
        raise IdTokenRefused("azp")
    if not isinstance(claims["nonce"], str) or not constant_time_compare(claims["nonce"], nonce):
        raise IdTokenRefused("nonce")
    if claims["iat"] < since.timestamp() - LEEWAY_SECONDS:
        raise IdTokenRefused("iat")
    subject = claims["sub"]
    if not subject or len(subject) > MAX_SUBJECT or not subject.isascii() or not subject.isprintable():
        raise IdTokenRefused("sub")
