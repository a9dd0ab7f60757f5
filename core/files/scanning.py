"""Scans of uploads by clamd (https://docs.clamav.net), over its socket, before a file is accepted.

Without CLAMAV_SOCKET nothing is scanned. With it no file is accepted that was not scanned: a scanner that is away,
silent or fails is a 503. The Python clients of clamd have had no release for years, and their reads have no end.
"""

import socket
import struct
import time
from typing import IO
from uuid import UUID

import structlog
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from core.audit import services as audit
from core.web import request_context as context
from core.web.errors import UNAVAILABLE_RETRY_SECONDS, ApiError, FieldError
from core.web.http_client.breaker import Breaker
from core.web.other_services import Scanner
from core.web.resolver import resolver
from core.web.text import shortened

CONNECT_SECONDS = 2.0
TOTAL_SECONDS = 20.0
CHUNK_BYTES = 64 * 1024
MAX_REPLY_BYTES = 4096
LENGTH = struct.Struct(">I")

log = structlog.get_logger(__name__)
# After two failures one upload in ten seconds tries, so that a silent scanner does not occupy every thread.
breaker = Breaker(2, 10.0)


class ScanRefused(ValueError):
    """An error of clamd about one file, such as that it is too large for it."""


class ScannerUnavailable(ApiError):
    """The file could not be scanned, so it is not accepted."""

    code = "SERVICE_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__(
            message=_("The file cannot be checked for malware at the moment. Try again later."),
            retry_after=UNAVAILABLE_RETRY_SECONDS,
        )


def refuse_infected(upload: UploadedFile, field: str) -> None:
    """Scan an upload, if a scanner is set. Call it outside any transaction. Raises FieldError `infected`, and
    ScannerUnavailable. The file is at its beginning afterwards."""
    scanner = settings.UPLOAD_SCANNER
    if scanner is None:
        return
    if not breaker.permits():
        raise ScannerUnavailable
    upload.seek(0)
    try:
        signature = signature_in(upload, scanner)
    except (OSError, ValueError) as error:
        # An error about one file shows that the scanner is there: with such files nobody keeps it from the others.
        outcome = breaker.succeeded if isinstance(error, ScanRefused) else breaker.failed
        outcome()
        log.error("scanner_unavailable", error=type(error).__name__, text=shortened(str(error)))
        raise ScannerUnavailable from error
    breaker.succeeded()
    upload.seek(0)
    if signature is not None:
        user_id = context.current.get().user_id
        changes: audit.Changes = {"filename": [None, upload.name], "signature": [None, signature]}
        audit.record("file.infected", actor_id=UUID(user_id) if user_id else None, changes=changes)
        raise FieldError(field, "infected", _("The file contains malware."))


def signature_in(content: IO[bytes] | UploadedFile, scanner: Scanner) -> str | None:
    """Return the name of the malware that clamd finds, or None. Raises OSError, TimeoutError among them, and ValueError
    for another response."""
    ends = time.monotonic() + TOTAL_SECONDS
    with connected(scanner) as connection:
        try:
            send(connection, b"zINSTREAM\0", ends)
            while chunk := content.read(CHUNK_BYTES):
                send(connection, LENGTH.pack(len(chunk)) + chunk, ends)
            send(connection, LENGTH.pack(0), ends)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has responded before the end, that the file is too large for it
        reply = received(connection, ends)
    if reply == "stream: OK":
        return None
    if reply.startswith("stream: ") and reply.endswith(" FOUND"):
        return shortened(reply.removeprefix("stream: ").removesuffix(" FOUND"))
    kind = ScanRefused if reply.endswith(" ERROR") else ValueError
    raise kind(f"clamd responded with {reply!r}")


def connected(scanner: Scanner) -> socket.socket:
    if scanner.path:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(CONNECT_SECONDS)
        try:
            connection.connect(scanner.path)
        except BaseException:
            connection.close()
            raise
        return connection
    address = resolver.addresses_of(scanner.host, CONNECT_SECONDS)[0]
    return socket.create_connection((address, scanner.port), CONNECT_SECONDS)


def limit_wait(connection: socket.socket, ends: float) -> None:
    remaining = ends - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("the scan takes too long")
    connection.settimeout(remaining)


def send(connection: socket.socket, data: bytes, ends: float) -> None:
    limit_wait(connection, ends)
    connection.sendall(data)


def received(connection: socket.socket, ends: float) -> str:
    """Return a response, which ends with a NUL byte. Raises ValueError for one that does not."""
    reply = b""
    while not reply.endswith(b"\0"):
        limit_wait(connection, ends)
        piece = connection.recv(MAX_REPLY_BYTES)
        reply += piece
        if not piece or len(reply) > MAX_REPLY_BYTES:
            raise ValueError("clamd ended the connection without a response")
    return reply.rstrip(b"\0").decode(errors="replace").strip()
