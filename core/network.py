"""The client's real address, for limits, audit and sessions alike."""

import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str | None:
    """The address that the outermost trusted proxy saw; the peer's own when there is no proxy.

    With TRUSTED_PROXIES = n, each of n proxies has appended the address it saw, so the n-th from the right of
    X-Forwarded-For is the client. What stands left of it was sent by the client and proves nothing. A header
    that is too short or holds no address falls back to the peer.
    """
    peer = _address(request.META.get("REMOTE_ADDR", ""))
    proxies = settings.TRUSTED_PROXIES
    if not proxies:
        return peer
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if len(hops) < proxies:
        return peer
    return _address(hops[-proxies]) or peer


def limit_key(address: str | None) -> str:
    """The unit that a limit counts by: an IPv4 address or an IPv6 /64, since one client owns a whole /64."""
    if address is None:
        return "unknown"
    if ":" not in address:
        return address
    return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)


@lru_cache(maxsize=4096)
def _address(text: str) -> str | None:
    try:
        parsed = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or ipaddress.IPv6Address(int(parsed))  # int() drops a %zone
    return str(parsed)
