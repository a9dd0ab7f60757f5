"""The client's address and scheme behind proxies, for limits, audit, sessions and the HTTPS check."""

import ipaddress
import re
import time
from functools import lru_cache

import structlog
from django.conf import settings
from django.http import HttpRequest

log = structlog.get_logger(__name__)

FORWARDED_FOR = "HTTP_X_FORWARDED_FOR"
# What proxies and tunnels add. Only their presence counts. A proxy that adds nothing cannot be seen.
FORWARDED = (
    *(FORWARDED_FOR, "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP", "HTTP_CF_CONNECTING_IP"),
    *("HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO", "HTTP_TRUE_CLIENT_IP", "HTTP_X_ORIGINAL_HOST"),
)
FORWARDED_PROTO = "HTTP_X_FORWARDED_PROTO"
PROBES = ("/health", "/metrics")  # load balancers and Prometheus request them without the proxy
WARNING_SECONDS = 60
MAX_NODE_LENGTH = 100
# `[2001:db8::1]:443`, `[2001:db8::1]`, `203.0.113.5:51234`; an IPv6 address without brackets has no port.
NODE_WITH_PORT = re.compile(r"\[(?P<v6>[^\[\]]+)\](:[0-9]{1,5})?|(?P<v4>[^:]+):[0-9]{1,5}")


def peer_ip(request: HttpRequest) -> str | None:
    """Return the address of the other end of the connection: the client's own, or that of the nearest proxy."""
    return parse_address(request.META.get("REMOTE_ADDR", ""))


def client_ip(request: HttpRequest) -> str | None:
    """Return the address that the outermost trusted proxy saw, the peer's without proxies, or None.

    With TRUSTED_PROXIES = n, each of n proxies has appended the address it saw, so the n-th from the right of
    X-Forwarded-For is the client. The client itself may have sent the addresses to the left, so they are ignored.
    Return None if the header is too short or has no address at that position, and also for a loopback address: it
    belongs to a proxy that TRUSTED_PROXIES does not count, and must not be taken for this machine.
    """
    proxies = settings.TRUSTED_PROXIES
    if not proxies:
        return peer_ip(request)
    forwarded = request.META.get(FORWARDED_FOR, "")
    hops = forwarded.rsplit(",", proxies)[-proxies:]
    address = parse_address(hops[0]) if len(hops) == proxies else None
    if address is None or ipaddress.ip_address(address).is_loopback:
        warn_of_unusable_header(request, forwarded)
        return None
    return address


def is_this_machine(request: HttpRequest) -> bool:
    """Return whether the client is on this machine. With TRUSTED_PROXIES `client_ip` is never loopback.

    A proxy that TRUSTED_PROXIES does not count, such as a tunnel, may have its other end anywhere.
    """
    address = client_ip(request)
    is_forwarded = any(header in request.META for header in FORWARDED)
    return address is not None and ipaddress.ip_address(address).is_loopback and not is_forwarded


def normalize_scheme(request: HttpRequest) -> None:
    """Replace X-Forwarded-Proto with the value from the outermost trusted proxy, in lower case.

    Django compares the first item of the header with SECURE_PROXY_SSL_HEADER literally. Where a proxy appends to a
    list, the client controls the first item. A list shorter than the number of proxies was replaced by a proxy, so
    its first item comes from that proxy.
    """
    proxies, sent = settings.TRUSTED_PROXIES, request.META.get(FORWARDED_PROTO)
    if proxies and sent is not None:
        request.META[FORWARDED_PROTO] = sent.split(",")[-proxies:][0].strip().strip('"').lower()


def limit_key(address: str | None) -> str:
    """Return the key that a limit counts by: an IPv4 address or an IPv6 /64, since one client owns a whole /64."""
    if address is None:
        return "unknown"
    if ":" not in address:
        return address
    return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)


def parse_address(text: str) -> str | None:
    """Return the address in canonical form: without port, brackets, quotes and zone. An IPv4-mapped IPv6 address
    becomes IPv4. Return None for anything else, such as `unknown` and `_hidden` (RFC 7239, section 6)."""
    return _parse(text) if len(text) <= MAX_NODE_LENGTH else None


@lru_cache(maxsize=4096)
def _parse(text: str) -> str | None:
    node = text.strip().strip('"').strip()
    match = NODE_WITH_PORT.fullmatch(node)
    try:
        if match is not None and match["v6"] is None:
            return str(ipaddress.IPv4Address(match["v4"]))
        parsed = ipaddress.ip_address(match["v6"] if match is not None else node)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or ipaddress.IPv6Address(int(parsed))  # int() drops a %zone
    elif match is not None:
        return None  # IPv4 in brackets
    return str(parsed)


_next_warning = 0.0


def warn_of_unusable_header(request: HttpRequest, forwarded: str) -> None:
    """Log a warning once a minute in each process: a wrong configuration affects every request."""
    global _next_warning  # noqa: PLW0603 - one clock for the process
    if request.path_info.startswith(PROBES) or (now := time.monotonic()) < _next_warning:
        return
    _next_warning = now + WARNING_SECONDS  # two threads may both be first: that costs one more line
    log.warning(
        "client_address_unknown",
        hint="X-Forwarded-For has no client address at the position that TRUSTED_PROXIES sets",
        trustedProxies=settings.TRUSTED_PROXIES,
        forwardedFor=forwarded[-200:],
        peer=request.META.get("REMOTE_ADDR", ""),
    )
