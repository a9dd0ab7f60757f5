"""The authorization code flow with PKCE: the address that a browser is sent to, and the exchange of its code."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, urlencode

import structlog
from django.core.exceptions import ValidationError

from accounts.addresses import canonical_email
from accounts.oidc.configuration import Provider
from accounts.oidc.discovery import metadata_of
from accounts.oidc.id_tokens import IdTokenRefused, verified_claims
from accounts.oidc.transport import ProviderUnavailable, get_object, object_in, request
from core.web import metrics
from core.web.errors import FieldError

ERROR_CODE = re.compile(r"[a-z_]{1,50}")
MAX_ACCESS_TOKEN = 16 * 1024

log = structlog.get_logger(__name__)


class InvalidCode(FieldError):
    def __init__(self) -> None:
        super().__init__("code", "invalid_code", "The provider does not confirm this sign-in. Begin again.")


@dataclass(frozen=True)
class Claims:
    """The claims of a provider about a person. `email` is canonical, or empty."""

    subject: str
    email: str
    email_verified: bool
    name: str


def nonce_of(state: str, browser: str) -> str:
    return derived("nonce", state, browser)


def verifier_of(state: str, browser: str) -> str:
    """Return the code verifier (RFC 7636, 4.1), which is never in the database, in a URL or in a log."""
    return derived("code_verifier", state, browser)


def derived(purpose: str, state: str, browser: str) -> str:
    """Return a secret of one sign-in. It follows from the cookie of the browser, which is 256 random bits."""
    digest = hmac.digest(browser.encode(), f"oidc.{purpose}:{state}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorization_url(provider: Provider, *, state: str, browser: str, redirect_uri: str) -> str:
    """Return the address at the provider. Raise ProviderUnavailable."""
    endpoint = metadata_of(provider).authorization_endpoint
    challenge = hashlib.sha256(verifier_of(state, browser).encode()).digest()
    query = urlencode(
        {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(provider.scopes),
            "state": state,
            "nonce": nonce_of(state, browser),
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
    )
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"


def claims_for(
    code: str, provider: Provider, *, state: str, browser: str, redirect_uri: str, since: datetime
) -> Claims:
    """Exchange the code for an ID token, and return its claims. Raise InvalidCode, and ProviderUnavailable."""
    response = exchanged(code, provider, redirect_uri=redirect_uri, verifier=verifier_of(state, browser))
    try:
        claims = verified_claims(
            response.get("id_token"), provider, nonce=nonce_of(state, browser), since=since
        )
    except IdTokenRefused as error:
        log.warning("oidc_id_token_refused", provider=provider.key, reason=str(error))
        metrics.sign_ins_total.labels(provider.key, "refused").inc()
        raise InvalidCode from error
    if "email" not in claims:
        claims = userinfo(response.get("access_token"), provider, claims["sub"]) | claims
    email = email_in(claims)
    return Claims(
        subject=claims["sub"],
        email=email,
        email_verified=bool(email) and claims.get("email_verified") is True and provider.verifies_email,
        name=name_in(claims, email),
    )


def exchanged(code: str, provider: Provider, *, redirect_uri: str, verifier: str) -> dict[str, Any]:
    """Return the response of the token endpoint. Raise InvalidCode, and ProviderUnavailable."""
    metadata = metadata_of(provider)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if metadata.takes_secret_in_body:
        form |= {"client_id": provider.client_id, "client_secret": provider.client_secret}
    else:  # RFC 6749, 2.3.1
        pair = f"{quote_plus(provider.client_id)}:{quote_plus(provider.client_secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    response = request(
        provider, "POST", metadata.token_endpoint, headers=headers, body=urlencode(form).encode()
    )
    if response.status == 200:
        return object_in(provider, response)
    reason = object_in(provider, response).get("error") if response.status in {400, 401} else None
    if reason == "invalid_grant":
        metrics.sign_ins_total.labels(provider.key, "refused").inc()
        raise InvalidCode
    is_code = isinstance(reason, str) and ERROR_CODE.fullmatch(reason)
    raise ProviderUnavailable(provider, str(reason) if is_code else f"status_{response.status}")


def userinfo(token: Any, provider: Provider, subject: str) -> dict[str, Any]:
    """Return the claims that are not in the ID token (OpenID Connect Core, 5.3), or none. Raise ProviderUnavailable."""
    endpoint = metadata_of(provider).userinfo_endpoint
    if endpoint is None or not isinstance(token, str) or not token.isascii() or not token.isprintable():
        return {}
    if len(token) > MAX_ACCESS_TOKEN:
        return {}
    claims = get_object(provider, endpoint, headers={"Authorization": f"Bearer {token}"})
    return claims if claims.get("sub") == subject else {}


def email_in(claims: dict[str, Any]) -> str:
    email = claims.get("email")
    try:
        return canonical_email(email) if isinstance(email, str) else ""
    except ValidationError:
        return ""


def name_in(claims: dict[str, Any], email: str) -> str:
    """Return a name for a new account, of 2 to 100 printable characters."""
    name = claims.get("name")
    text = "".join(char for char in name[:200] if char.isprintable()) if isinstance(name, str) else ""
    text = " ".join(text.split())[:100].strip()
    return next((each for each in (text, email.partition("@")[0]) if len(each) > 1), email)[:100]
