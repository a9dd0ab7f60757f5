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


class Lost(BytesIO):
    """A body that could not be taken: whoever reads it is told why."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def read(self, *_size: Any) -> bytes:
        raise self.error

    readline = read


def taken(environ: dict[str, Any]) -> IO[bytes]:
    """All of the body, of which the environment then tells as if it had come at once. For its taker to close.

    Of one that is longer than anything here takes only so much is read that the limits of the parsers answer.
    """
    try:
        body = whole(environ)
    except OSError as error:  # a full disk is for the parsers to answer, in the envelope
        body = Lost(error)
        environ["CONTENT_LENGTH"] = environ.get("CONTENT_LENGTH") or "1"
    environ["wsgi.input"] = body
    return body


def whole(environ: dict[str, Any]) -> IO[bytes]:
    stream = environ["wsgi.input"]
    if is_chunked(environ):
        body, copied = spooled(stream, settings.MAX_BODY_BYTES + 1)
        environ["CONTENT_LENGTH"] = str(copied)
        return body
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > settings.MAX_BODY_BYTES:
        return BytesIO()
    if length <= LONGEST_IN_MEMORY:
        return BytesIO(stream.read(length) if length else b"")
    return spooled(stream, length)[0]


def spooled(stream: IO[bytes], limit: int) -> tuple[IO[bytes], int]:
    """A copy of at most `limit` bytes, and of how many: a small body stays in memory, an upload goes onto the disk."""
    body: IO[bytes] = SpooledTemporaryFile(LONGEST_IN_MEMORY, dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115
    try:
        while chunk := stream.read(min(CHUNK_BYTES, limit - body.tell())):
            body.write(chunk)
        length = int(body.tell())
        body.seek(0)
    except BaseException:
        body.close()
        raise
    return body, length
