"""The one client for HTTP requests to other services. Every integration uses it, under a name of its own.

Others import `HttpClient`, `Limits`, `Response` and the errors from here. The reasons are in decision 42.
"""

from core.web.http_client.client import HttpClient
from core.web.http_client.errors import (
    AddressRefused,
    CircuitOpen,
    ConnectFailed,
    ConnectionLost,
    OutgoingError,
    ResponseTooLarge,
    TimedOut,
    TlsFailed,
    UnreadableResponse,
    UrlRefused,
)
from core.web.http_client.exchange import Limits, Response

__all__ = [
    "AddressRefused",
    "CircuitOpen",
    "ConnectFailed",
    "ConnectionLost",
    "HttpClient",
    "Limits",
    "OutgoingError",
    "Response",
    "ResponseTooLarge",
    "TimedOut",
    "TlsFailed",
    "UnreadableResponse",
    "UrlRefused",
]
