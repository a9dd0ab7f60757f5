"""ID tokens that prove nothing are refused. They are verified with keys that a provider serves on loopback."""

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from accounts.oidc import discovery
from accounts.oidc.id_tokens import IdTokenRefused, verified_claims
from accounts.oidc.tests.provider import CLIENT_ID, CLIENT_SECRET, rsa_key

pytestmark = pytest.mark.once
NONCE = "n-1"


def verify(provider, token=None):
    since = datetime.fromtimestamp(int(time.time()), UTC)
    return verified_claims(token or provider.id_token(NONCE), provider.settings, nonce=NONCE, since=since)


def reason(provider, token=None):
    with pytest.raises(IdTokenRefused) as caught:
        verify(provider, token)
    return str(caught.value)


@pytest.mark.parametrize("claims", [{}, {"aud": [CLIENT_ID]}, {"aud": [CLIENT_ID, "b"], "azp": CLIENT_ID}])
def test_a_token_for_this_sign_in_is_verified(provider, claims):
    provider.claims = claims

    assert verify(provider)["sub"] == "ann-1"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"nonce": "n-2"}, "nonce"),
        ({"nonce": None}, "MissingRequiredClaimError"),
        ({"nonce": "\ud800"}, "invalid_claims"),
        ({"iss": "https://evil.example"}, "InvalidIssuerError"),
        ({"aud": "another-app"}, "InvalidAudienceError"),
        ({"aud": [CLIENT_ID, "another-app"]}, "azp"),
        ({"azp": "another-app"}, "azp"),
        ({"exp": 1_000_000_000}, "ExpiredSignatureError"),
        ({"exp": None}, "MissingRequiredClaimError"),
        ({"iat": 1_000_000_000}, "iat"),
        ({"iat": "1000"}, "invalid_claims"),
        ({"iat": 10**10}, "ImmatureSignatureError"),
        ({"sub": None}, "MissingRequiredClaimError"),
        ({"sub": 7}, "InvalidSubjectError"),
        ({"sub": ""}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"sub": "a\0b"}, "sub"),
    ],
)
def test_each_claim_is_checked(provider, claims, expected):
    provider.claims = claims

    assert reason(provider) == expected


def encoded(value):
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def with_hmac(provider, secret):
    """Return a token whose HMAC has this key."""

    def sign(claims):
        text = f"{encoded({'alg': 'HS256', 'kid': provider.kid})}.{encoded(claims)}"
        return f"{text}.{encoded(hmac.digest(secret, text.encode(), hashlib.sha256))}"

    return sign


FORGED = {
    "alg none": lambda provider: lambda claims: jwt.encode(claims, "", algorithm="none"),
    "HS256 with the public key": lambda provider: with_hmac(
        provider, provider.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ),
    "HS256 with the client secret": lambda provider: with_hmac(provider, CLIENT_SECRET.encode()),
    "another key of the same id": lambda provider: (
        lambda claims: jwt.encode(claims, rsa_key(9), algorithm="RS256", headers={"kid": provider.kid})
    ),
    "a key of the own header": lambda provider: (
        lambda claims: jwt.encode(
            claims,
            rsa_key(9),
            algorithm="RS256",
            headers={"kid": "mine", "jwk": jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(9), as_dict=True)},
        )
    ),
    "another type of key": lambda provider: (
        lambda claims: jwt.encode(
            claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": provider.kid}
        )
    ),
    "no JWT": lambda provider: lambda claims: "a.b.c",
    "too long": lambda provider: lambda claims: "a" * 17_000,
    "no text": lambda provider: lambda claims: {"a": 1},
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused(provider, name):
    provider.sign = FORGED[name](provider)

    assert reason(provider) in {"algorithm", "InvalidSignatureError", "unknown_key", "malformed", "no_token"}


def test_a_weak_key_is_refused(provider, monkeypatch):
    monkeypatch.setattr(type(provider), "key", property(lambda self: rsa_key(1, 1024)))
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        token = provider.id_token(NONCE)

    assert reason(provider, token) == "weak_key"


def test_a_new_key_is_fetched_once_a_minute(provider, monkeypatch):
    verify(provider)
    provider.rotate()

    assert [reason(provider) for _ in range(3)] == ["unknown_key"] * 3
    assert provider.paths.count("/jwks") == 1
    monkeypatch.setattr(discovery, "KEY_INTERVAL", 0)
    verify(provider)
    verify(provider)
    assert provider.paths.count("/jwks") == 2
