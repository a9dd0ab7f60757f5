"""Which URLs and addresses may be requested for a caller that is not trusted."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from core.web.http_client.errors import AddressRefused, UrlRefused

DEFAULT_PORTS = {"http": 80, "https": 443}
FIRST_OTHER_PORT = 1024  # below are the ports of mail, shells, name servers and other services
MAX_URL_LENGTH = 2048

GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
# Not global to newer versions of Python only, the former relays of 6to4, documentation (RFC 9637), and the platform of
# Azure, which each of its machines reaches.
NOT_GLOBAL = tuple(
    map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20", "168.63.129.16/32"))
)

# Return the addresses of a host name within some seconds, or raise an OSError.
Resolve = Callable[[str, float], list[str]]


def is_public(address: str) -> bool:
    """Return whether the address is one of the public Internet. Tunnels (6to4, Teredo) are not."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return False
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip in NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip not in GLOBAL_UNICAST or ip.sixtofour is not None or ip.teredo is not None:
            return False
    elif any(ip in network for network in NOT_GLOBAL):
        return False
    return ip.is_global and not ip.is_multicast


@dataclass(frozen=True)
class Target:
    """The parts of a URL that may be requested."""

    scheme: str
    host: str  # a name, or an address without brackets
    port: int
    uri: str  # path and query

    @classmethod
    def of(cls, url: str, *, any_port: bool) -> "Target":
        """Return the parts of the URL. Raises UrlRefused."""
        if len(url) > MAX_URL_LENGTH:
            raise UrlRefused(f"The URL is longer than {MAX_URL_LENGTH} characters.")
        if not url.isprintable() or " " in url or "\\" in url:
            raise UrlRefused("The URL contains a space, a backslash or a control character.")
        try:
            parts = parse_url(url)
        except LocationParseError as error:
            raise UrlRefused("The URL cannot be parsed.") from error
        if parts.scheme not in DEFAULT_PORTS or not parts.host:
            raise UrlRefused("The URL must begin with http:// or https:// and name a host.")
        if parts.auth is not None:
            raise UrlRefused("The URL contains a user name or a password: send them in a header.")
        if "%" in parts.host:
            raise UrlRefused("The host contains a %, as in the zone of an IPv6 address.")
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        if not any_port and port < FIRST_OTHER_PORT and port not in DEFAULT_PORTS.values():
            raise UrlRefused(f"The port must be 80, 443, or {FIRST_OTHER_PORT} and above.")
        return cls(parts.scheme, parts.host.strip("[]"), port, parts.request_uri)

    @property
    def authority(self) -> str:
        """The value of the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"


def refuse_private(target: Target, addresses: list[str], permits: Callable[[str], bool]) -> None:
    """Raise AddressRefused unless every address is permitted. A mixture is a sign of an attack."""
    if not all(map(permits, addresses)):
        raise AddressRefused(f"{target.host} has an address that is not public.")
