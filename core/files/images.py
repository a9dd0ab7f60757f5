"""Images of strangers, decoded and encoded anew in a process of their own: no metadata, nothing behind the end."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import structlog
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from core.files.content_types import NotAllowed
from core.web.concurrency import Gate
from core.web.errors import ApiError, FieldError

log = structlog.get_logger(__name__)

WORKER = Path(__file__).with_name("sandboxed_image.py")
NO_IMAGE = "no_image"  # as the worker says it
UNREADABLE = "invalid_image"
REFUSALS = {
    UNREADABLE: _("This image cannot be read."),
    "side_too_long": _("The image may be at most %(max)d pixels wide and high."),
    "too_many_pixels": _("The image may have at most %(max)d pixels, in all its frames together."),
    "too_many_frames": _("The image may have at most %(max)d frames."),
    "too_many_bytes": _("The image may take at most %(max)d bytes after it was encoded again."),
    "too_much_memory": _("The image may take at most %(max)d bytes of memory to decode."),
    "too_much_time": _("The image may take at most %(max)d seconds to decode and encode."),
}
PATIENCE_SECONDS = 10.0  # in front of the gate
LONGEST_SECONDS = 30.0  # behind it, on the clock
CPU_SECONDS = 15  # on the processor
# Address space. A JPEG of 100 million pixels needs 710 MB if it is progressive, one of 48 million 120 to 350.
MEMORY_BYTES = 1024 * 1024 * 1024
RETRY_SECONDS = 5
WAITING_FOR_EACH = 8
FREE_THREADS = 3  # of each server process, for everything else


def gate_for_this_process() -> Gate:
    """At least two slots, one of them never held by the user who has all the others. That holds in every process, so
    it holds for all of them together: whichever process a request comes to, no single user can hold it up."""
    at_once = max(2, (os.cpu_count() or 1) // settings.WEB_CONCURRENCY)
    waiting = at_once * WAITING_FOR_EACH
    if settings.WEB_THREADS:
        waiting = max(0, min(waiting, settings.WEB_THREADS - at_once - FREE_THREADS))
    return Gate(
        at_once=at_once,
        waiting=waiting,
        patience=PATIENCE_SECONDS,
        slots_each=at_once - 1,
        waiting_each=waiting // 2,
    )


gate = gate_for_this_process()


@dataclass
class Picture:
    content_type: str
    width: int
    height: int
    thumbnail_type: str
    image: IO[bytes]
    thumbnail: IO[bytes]

    def close(self) -> None:
        self.image.close()
        self.thumbnail.close()


def encode_anew(source: IO[bytes], *, user: Any) -> Picture:
    """`source` is a file on the disk, sent by `user`. Call it outside any transaction: it may wait, and takes its time.

    Raises NotAllowed for what is no image, FieldError for a broken or too large one, ApiError
    SERVICE_UNAVAILABLE when too many come at once.
    """
    with ExitStack() as stack:
        image = stack.enter_context(tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR))
        thumbnail = stack.enter_context(tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR))
        with gate.slot(user.pk):
            said = run_worker(source, image, thumbnail)
        if said.get("refused") == NO_IMAGE:
            raise NotAllowed
        if "refused" in said:
            params = said["params"]
            raise FieldError("file", said["refused"], REFUSALS[said["refused"]] % params, params=params)
        image.seek(0)
        thumbnail.seek(0)
        stack.pop_all()  # they are the caller's now
        return Picture(image=image, thumbnail=thumbnail, **said)


def run_worker(source: IO[bytes], image: IO[bytes], thumbnail: IO[bytes]) -> dict[str, Any]:
    os.lseek(source.fileno(), 0, os.SEEK_SET)
    outputs = (image.fileno(), thumbnail.fileno())
    try:
        done = subprocess.run(  # noqa: S603 - our own file, and numbers
            [sys.executable, "-I", str(WORKER), *map(str, (*outputs, CPU_SECONDS, MEMORY_BYTES))],
            stdin=source.fileno(),
            capture_output=True,
            pass_fds=outputs,
            env={},  # it has no business with our secrets
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        log.warning("image_took_too_long", seconds=LONGEST_SECONDS)
        raise ApiError("SERVICE_UNAVAILABLE", retry_after=RETRY_SECONDS) from error
    if done.returncode == -signal.SIGXCPU:
        return {"refused": "too_much_time", "params": {"max": CPU_SECONDS}}
    if done.returncode != 0:
        log.warning(
            "image_worker_failed", code=done.returncode, error=done.stderr[-500:].decode(errors="replace")
        )
        return {"refused": UNREADABLE, "params": {}}
    said: dict[str, Any] = json.loads(done.stdout)
    return said
