"""Read request bodies from the network before a thread is given to the request."""

import asyncio
from collections.abc import AsyncIterable
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.conf import settings

MAX_IN_MEMORY = 256 * 1024
GRACE_SECONDS = 10.0
MIN_BYTES_PER_SECOND = 16 * 1024


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
