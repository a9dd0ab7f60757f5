"""Bodies of undeclared length (`Transfer-Encoding: chunked`), which Django would take for empty."""

from collections.abc import Callable, Iterable
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.conf import settings

CHUNK_BYTES = 64 * 1024
LONGEST_IN_MEMORY = 1024 * 1024

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def with_length(application: Application) -> Application:
    """Measure such a body before Django asks for its length. The server has to mark its end
    (`wsgi.input_terminated`), else reading on would wait for ever."""

    def measured(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        chunked = "HTTP_TRANSFER_ENCODING" in environ and not environ.get("CONTENT_LENGTH")
        if chunked and environ.get("wsgi.input_terminated"):
            # A byte more than anything here takes, so that the limits of the parsers answer.
            with SpooledTemporaryFile(LONGEST_IN_MEMORY, dir=settings.FILE_UPLOAD_TEMP_DIR) as body:
                length = spool(environ["wsgi.input"], body, settings.MAX_BODY_BYTES + 1)
                told = {**environ, "wsgi.input": body, "CONTENT_LENGTH": str(length)}
                return application(told, start_response)  # it has read the body when it answers
        return application(environ, start_response)

    return measured


def spool(stream: IO[bytes], body: Any, limit: int) -> int:
    """Copy at most `limit` bytes: a small body stays in memory, an upload goes onto the disk. Says how many."""
    while chunk := stream.read(min(CHUNK_BYTES, limit - body.tell())):
        body.write(chunk)
    length = int(body.tell())
    body.seek(0)
    return length
