"""One request on one new connection, to an address that was checked, with an end to every wait."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson
from urllib3 import HTTPHeaderDict
from urllib3 import exceptions as urllib3_errors
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse

from core.web.http_client.addresses import Target
from core.web.http_client.errors import (
    ConnectFailed,
    ConnectionLost,
    OutgoingError,
    ResponseTooLarge,
    TimedOut,
    TlsFailed,
    UnreadableResponse,
)

CHUNK = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a call: seconds, and bytes of the body of the response."""

    connect: float = 3.0  # for the lookup of the name, for TCP and for TLS, each
    read: float = 10.0  # for each piece of the response
    total: float = 15.0  # with all attempts, waits between them and redirects
    size: int = 1024 * 1024  # 0: the body is not read, whatever it is


@dataclass(frozen=True)
class Response:
    """A whole response, of any status."""

    status: int
    headers: HTTPHeaderDict
    body: bytes
    url: str

    def json(self) -> Any:
        """Return the parsed body. Raises UnreadableResponse."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise UnreadableResponse("The response is not JSON.") from error


class Deadline:
    """The end of a call."""

    def __init__(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        return self.ends - time.monotonic()

    def within(self, seconds: float) -> float:
        """Return the seconds that a wait of at most so many may take. Raises TimedOut after the end."""
        if (remaining := self.remaining) <= 0:
            raise TimedOut("The time for the whole call is over.")
        return min(seconds, remaining)


class Shutdown:
    """Shuts the connection down at the deadline. A service that sends a byte now and then never exceeds the time-out of
    a single read, which is the only one that a socket has."""

    def __init__(self, connection: HTTPConnection, deadline: Deadline) -> None:
        self.connection = connection
        self.socket: socket.socket | None = None
        self.expired = False
        self.timer = threading.Timer(max(0.0, deadline.remaining), self.expire)
        self.timer.daemon = True

    def __enter__(self) -> "Shutdown":
        self.timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.timer.cancel()
        self.connection.close()

    def expire(self) -> None:
        self.expired = True
        connected = self.connection.sock or self.socket
        if connected is not None:
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def raise_if_expired(self) -> None:
        if self.expired:
            raise TimedOut("The time for the whole call is over.")


def exchange(
    target: Target,
    method: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    addresses: list[str],
    limits: Limits,
    deadline: Deadline,
    tls: ssl.SSLContext,
) -> Response:
    """Send the request to the first address that accepts a connection. Raises OutgoingError."""
    failure: OutgoingError = ConnectFailed(f"{target.host} has no address.")
    for address in addresses:
        connection = connection_to(target, address, limits, deadline, tls)
        with Shutdown(connection, deadline) as shutdown:
            try:
                connect(connection, target, shutdown)
            except (ConnectFailed, ConnectTimedOut) as error:
                failure = error
                continue
            connection.timeout = deadline.within(limits.read)
            with translated(target, shutdown):
                sent = {"Host": target.authority, **headers, "Connection": "close"}
                connection.request(
                    method, target.uri, body, sent, preload_content=False, decode_content=False
                )
                with closing(connection.getresponse()) as response:
                    content = read(response, limits.size, shutdown)
            url = f"{target.origin}{target.uri}"
            return Response(response.status, HTTPHeaderDict(response.headers), content, url)
    raise failure


class ConnectTimedOut(TimedOut):
    """The host did not accept the connection in time, so nothing was sent."""

    was_sent = False


def connection_to(
    target: Target, address: str, limits: Limits, deadline: Deadline, tls: ssl.SSLContext
) -> HTTPConnection:
    """Return a connection to this address. The certificate is that of the host name, which is sent as SNI."""
    if target.scheme == "http":
        return HTTPConnection(address, target.port, timeout=deadline.within(limits.connect))
    # The time-out counts for TCP and for the handshake, each.
    seconds = deadline.within(2 * limits.connect) / 2
    return HTTPSConnection(
        address, target.port, timeout=seconds, ssl_context=tls, server_hostname=target.host
    )


def connect(connection: HTTPConnection, target: Target, shutdown: Shutdown) -> None:
    try:
        connection.connect()
    except urllib3_errors.NewConnectionError as error:  # to urllib3 a kind of ConnectTimeoutError
        raise ConnectFailed(f"{target.host} does not accept the connection.") from error
    except (urllib3_errors.ConnectTimeoutError, TimeoutError) as error:
        raise ConnectTimedOut(f"{target.host} did not accept the connection in time.") from error
    except (ssl.SSLError, urllib3_errors.SSLError) as error:
        shutdown.raise_if_expired()
        reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or "no reason given"
        raise TlsFailed(f"The TLS handshake with {target.host} failed: {reason}.") from error
    except (urllib3_errors.HTTPError, OSError) as error:
        shutdown.raise_if_expired()
        raise ConnectFailed(f"{target.host} ended the connection at its beginning.") from error
    shutdown.socket = connection.sock


@contextmanager
def translated(target: Target, shutdown: Shutdown) -> Iterator[None]:
    """Translate the errors of urllib3 and of the standard library."""
    try:
        yield
    except OutgoingError:
        shutdown.raise_if_expired()
        raise
    except (urllib3_errors.TimeoutError, TimeoutError) as error:
        raise TimedOut(f"{target.host} did not respond in time.") from error
    except (urllib3_errors.HTTPError, http.client.HTTPException, OSError) as error:
        shutdown.raise_if_expired()
        raise ConnectionLost(f"{target.host} ended the connection before the whole response.") from error
    except ValueError:  # of a TLS connection that was shut down between two reads
        shutdown.raise_if_expired()
        raise
    shutdown.raise_if_expired()


def read(response: BaseHTTPResponse, limit: int, shutdown: Shutdown) -> bytes:
    """Return the body. Raises ResponseTooLarge and UnreadableResponse."""
    if limit == 0:
        return b""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnreadableResponse("The response is compressed, which was not requested.")
    too_large = ResponseTooLarge(f"The response is larger than {limit} bytes.")
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        raise too_large
    content = bytearray()
    try:
        for chunk in response.stream(CHUNK, decode_content=False):
            content += chunk
            if len(content) > limit:
                raise too_large
            shutdown.raise_if_expired()
    except ValueError as error:  # a negative length of a chunk
        shutdown.raise_if_expired()
        raise UnreadableResponse("The response has a length that cannot be.") from error
    return bytes(content)
