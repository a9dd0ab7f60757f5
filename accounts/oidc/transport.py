"""Requests to a provider, with an end to every wait and no redirects."""

from collections.abc import Mapping
from typing import Any

import structlog

from accounts.oidc.configuration import Provider
from core.web import metrics
from core.web.errors import UNAVAILABLE_RETRY_SECONDS, ApiError
from core.web.http_client import HttpClient, Limits, OutgoingError, Response
from core.web.http_client.addresses import Target
from core.web.http_client.errors import UrlRefused

LIMITS = Limits(connect=2, read=4, total=6, size=256 * 1024)
# The operator has set the issuer, which may be in the own network. Other hosts that it names must be public.
internal = HttpClient("oidc", allow_private=True, limits=LIMITS)
public = HttpClient("oidc", limits=LIMITS)

log = structlog.get_logger(__name__)


class ProviderUnavailable(ApiError):
    code = "SERVICE_UNAVAILABLE"

    def __init__(self, provider: Provider, reason: str) -> None:
        """Log the reason, which must hold no secret."""
        log.warning("oidc_provider_unavailable", provider=provider.key, reason=reason)
        metrics.sign_ins_total.labels(provider.key, "unavailable").inc()
        message = f"{provider.name} does not respond as it should. Try again."
        super().__init__(message=message, retry_after=UNAVAILABLE_RETRY_SECONDS)


def request(
    provider: Provider,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Response:
    """Return the response, of any status. Raise ProviderUnavailable."""
    try:
        own = Target.of(provider.issuer, any_port=True).origin
        client = internal if Target.of(url, any_port=True).origin == own else public
        return client.request(
            method, url, headers={"Accept": "application/json", **(headers or {})}, body=body
        )
    except OutgoingError as error:
        raise ProviderUnavailable(provider, error.outcome) from error


def object_in(provider: Provider, response: Response) -> dict[str, Any]:
    """Return the JSON object of the response. Raise ProviderUnavailable."""
    try:
        values = response.json()
    except OutgoingError as error:
        raise ProviderUnavailable(provider, error.outcome) from error
    if not isinstance(values, dict):
        raise ProviderUnavailable(provider, "no_object")
    return values


def get_object(provider: Provider, url: str, *, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the JSON object at the URL. Raise ProviderUnavailable."""
    response = request(provider, "GET", url, headers=headers)
    if response.status != 200:
        raise ProviderUnavailable(provider, f"status_{response.status}")
    return object_in(provider, response)


def is_safe_endpoint(provider: Provider, url: Any) -> bool:
    """Return whether a provider may name the URL: https, or its own origin."""
    if not isinstance(url, str) or not url.isascii():
        return False
    try:
        target = Target.of(url, any_port=True)
        return target.scheme == "https" or target.origin == Target.of(provider.issuer, any_port=True).origin
    except UrlRefused:
        return False
