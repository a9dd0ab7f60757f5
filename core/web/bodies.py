"""Read request bodies from the network before a thread is given to the request."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.conf import settings
from django.http import HttpRequest

from core.web.client_address import client_ip, limit_key
from core.web.errors import ApiError

MAX_IN_MEMORY = 256 * 1024
GRACE_SECONDS = 10.0
MIN_BYTES_PER_SECOND = 16 * 1024
MAX_OF_ADDRESS = 64
TOO_MANY = ApiError("RATE_LIMITED", retry_after=round(GRACE_SECONDS))


class BodyCounter:
    """Counts the bodies that each client address is sending to this process. Touched by the loop alone."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    @contextmanager
    def counted(self, environ: dict[str, Any]) -> Iterator[None]:
        """Count a body while it is read. Raises TOO_MANY if MAX_OF_ADDRESS of this address are on their way."""
        request = HttpRequest()
        request.META, request.path_info = environ, environ["PATH_INFO"]
        address = limit_key(client_ip(request))
        if self.counts[address] >= MAX_OF_ADDRESS:
            raise TOO_MANY
        self.counts[address] += 1
        try:
            yield
        finally:
            self.counts[address] -= 1
            if not self.counts[address]:
                del self.counts[address]


class UnstoredBody(BytesIO):
    """A body for which the disk had no room. Reading it raises the error, which the parsers translate (507)."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def read(self, *_size: Any) -> bytes:
        raise self.error

    readline = read


async def read_body(chunks: AsyncIterable[bytes], declared: int | None) -> tuple[IO[bytes], int]:
    """Return the body and its length. `declared` is the Content-Length; None for a chunked body.

    A body longer than MAX_BODY_BYTES is not read to its end: the length alone makes the parsers respond 413. Small
    bodies stay in memory, larger ones go to a temporary file. The caller closes the body.

    Raises TimeoutError for a client that sends less than MIN_BYTES_PER_SECOND after the first GRACE_SECONDS.
    """
    if declared == 0:
        return BytesIO(), 0
    if declared is not None and declared > settings.MAX_BODY_BYTES:
        return BytesIO(), declared
    body: Any = SpooledTemporaryFile(MAX_IN_MEMORY, dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115
    length = 0
    started = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(started + GRACE_SECONDS) as deadline:
            async for chunk in chunks:
                length += len(chunk)
                body.write(chunk)
                if length > settings.MAX_BODY_BYTES:
                    break
                deadline.reschedule(started + GRACE_SECONDS + length / MIN_BYTES_PER_SECOND)
        body.seek(0)
    except TimeoutError:
        body.close()
        raise
    except OSError as error:
        body.close()
        body = UnstoredBody(error)
        length = length or 1  # an empty body would never be read, and its error never seen
    except BaseException:
        body.close()
        raise
    return body, length
