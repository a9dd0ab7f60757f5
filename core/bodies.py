"""Request bodies, taken from the network before anything else is done for their request."""

from collections.abc import Callable, Iterable
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.conf import settings

CHUNK_BYTES = 64 * 1024
LONGEST_IN_MEMORY = 1024 * 1024

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def with_length(application: Application) -> Application:
    """Measure a body of undeclared length (`Transfer-Encoding: chunked`), which Django would take for empty."""

    def measured(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not is_chunked(environ):
            return application(environ, start_response)
        with taken(environ):
            return application(environ, start_response)  # it has read the body when it answers

    return measured


def is_chunked(environ: dict[str, Any]) -> bool:
    """Only where the server marks the end of such a body; elsewhere reading on would wait for ever."""
    undeclared = "HTTP_TRANSFER_ENCODING" in environ and not environ.get("CONTENT_LENGTH")
    return undeclared and bool(environ.get("wsgi.input_terminated"))


def taken(environ: dict[str, Any]) -> IO[bytes]:
    """All of the body, of which the environment then tells as if it had come at once. For its taker to close.

    Of one that is longer than anything here takes only so much is read that the limits of the parsers answer.
    """
    stream = environ["wsgi.input"]
    body: IO[bytes]
    if is_chunked(environ):
        body = temporary()
        environ["CONTENT_LENGTH"] = str(spool(stream, body, settings.MAX_BODY_BYTES + 1))
    else:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > settings.MAX_BODY_BYTES:
            body = BytesIO()
        elif length > LONGEST_IN_MEMORY:
            body = temporary()
            spool(stream, body, length)
        else:
            body = BytesIO(stream.read(length) if length else b"")
    environ["wsgi.input"] = body
    return body


def temporary() -> IO[bytes]:
    return SpooledTemporaryFile(LONGEST_IN_MEMORY, dir=settings.FILE_UPLOAD_TEMP_DIR)


def spool(stream: IO[bytes], body: Any, limit: int) -> int:
    """Copy at most `limit` bytes: a small body stays in memory, an upload goes onto the disk. Says how many."""
    while chunk := stream.read(min(CHUNK_BYTES, limit - body.tell())):
        body.write(chunk)
    length = int(body.tell())
    body.seek(0)
    return length
