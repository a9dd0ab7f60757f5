"""The metadata and the keys of providers. A process fetches each once an hour, and keys again for an unknown one."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar

from accounts.oidc.configuration import Provider
from accounts.oidc.transport import ProviderUnavailable, get_object, is_safe_endpoint

MAX_AGE = 3600.0
KEY_INTERVAL = 60.0  # between two requests for keys, whatever ids the tokens name
MAX_KEYS = 100
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")

Value = TypeVar("Value")


@dataclass(frozen=True)
class Metadata:
    """The endpoints of a provider (OpenID Connect Discovery 1.0, 3)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    takes_secret_in_body: bool  # and not in the header


class Cached(Generic[Value]):
    """The values of one kind, one for each provider of the settings."""

    def __init__(self, fetch: Callable[[Provider], Value]) -> None:
        self.fetch = fetch
        self.values: dict[Provider, tuple[float, Value]] = {}
        self.lock = Lock()

    def of(self, provider: Provider, *, max_age: float) -> Value:
        """Return the value, fetched if it is older. Not under the lock: a slow provider must not queue threads."""
        with self.lock:
            cached = self.values.get(provider)
        now = time.monotonic()
        if cached is not None and now - cached[0] < max_age:
            return cached[1]
        value = self.fetch(provider)
        with self.lock:
            self.values[provider] = (now, value)
        return value


def fetch_metadata(provider: Provider) -> Metadata:
    document = get_object(provider, f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != provider.issuer:  # as it is: both are one text (Discovery, 4.3)
        raise ProviderUnavailable(provider, "other_issuer")
    for name in ENDPOINTS:
        if not is_safe_endpoint(provider, document.get(name)):
            raise ProviderUnavailable(provider, f"invalid_{name}")
    userinfo = document.get("userinfo_endpoint")
    methods = document.get("token_endpoint_auth_methods_supported")
    return Metadata(
        **{name: document[name] for name in ENDPOINTS},
        userinfo_endpoint=userinfo if is_safe_endpoint(provider, userinfo) else None,
        takes_secret_in_body=isinstance(methods, list)
        and "client_secret_basic" not in methods
        and "client_secret_post" in methods,
    )


def fetch_keys(provider: Provider) -> list[dict[str, Any]]:
    keys = get_object(provider, metadata_of(provider).jwks_uri).get("keys")
    if not isinstance(keys, list):
        raise ProviderUnavailable(provider, "no_keys")
    return [key for key in keys[:MAX_KEYS] if isinstance(key, dict)]


cached_metadata = Cached(fetch_metadata)
cached_keys = Cached(fetch_keys)


def metadata_of(provider: Provider) -> Metadata:
    """Return the endpoints. Raise ProviderUnavailable."""
    return cached_metadata.of(provider, max_age=MAX_AGE)


def keys_of(provider: Provider, *, is_unknown: bool = False) -> list[dict[str, Any]]:
    """Return the keys, as JWKs. `is_unknown`: a token names one that is not among them, so fetch them again, unless
    that was within KEY_INTERVAL. Raise ProviderUnavailable."""
    return cached_keys.of(provider, max_age=KEY_INTERVAL if is_unknown else MAX_AGE)
