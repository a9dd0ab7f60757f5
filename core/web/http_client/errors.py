"""Errors of outgoing requests. A response of any status is no error."""

from typing import ClassVar


class OutgoingError(Exception):
    """A request to another service that has no response. The message holds no path, query or header."""

    outcome: ClassVar[str] = "error"  # in the log and the metrics
    is_temporary: ClassVar[bool] = False  # another attempt may succeed
    was_sent: ClassVar[bool] = False  # the service may have seen the request


class UrlRefused(OutgoingError):
    """The URL is not one that may be requested."""

    outcome = "url_refused"


class AddressRefused(OutgoingError):
    """The host has an address that is not public."""

    outcome = "address_refused"


class CircuitOpen(OutgoingError):
    """The host has failed several times within the last seconds, so it is not tried."""

    outcome = "circuit_open"


class ConnectFailed(OutgoingError):
    """The host has no address, or accepts no connection."""

    outcome = "connect_failed"
    is_temporary = True


class TlsFailed(OutgoingError):
    """The TLS handshake failed: the certificate is not for this host, not trusted or expired, for example."""

    outcome = "tls_failed"


class TimedOut(OutgoingError):
    """The connection or the response took too long."""

    outcome = "timed_out"
    is_temporary = True
    was_sent = True


class ConnectionLost(OutgoingError):
    """The connection ended before the whole response was read, or the service does not speak HTTP."""

    outcome = "connection_lost"
    is_temporary = True
    was_sent = True


class ResponseTooLarge(OutgoingError):
    """The response is larger than the limit."""

    outcome = "response_too_large"
    was_sent = True


class UnreadableResponse(OutgoingError):
    """The response has an encoding that was not requested, or is not JSON."""

    outcome = "unreadable_response"
    was_sent = True
