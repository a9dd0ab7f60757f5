"""Uploaded images, decoded and encoded again in a process of their own: no metadata, nothing after the end."""

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
from core.web.concurrency import ConcurrencyLimit
from core.web.errors import ApiError, FieldError

log = structlog.get_logger(__name__)

SANDBOX = Path(__file__).with_name("sandboxed_image.py")
REFUSALS = {
    "invalid_image": _("This image cannot be read."),
    "side_too_long": _("The image may be at most %(max)d pixels wide and high."),
    "too_many_pixels": _("The image may have at most %(max)d pixels, in all its frames together."),
    "too_many_frames": _("The image may have at most %(max)d frames."),
    "too_many_bytes": _("The image may take at most %(max)d bytes after it was encoded again."),
    "too_much_memory": _("The image may take at most %(max)d bytes of memory to decode."),
    "too_much_time": _("The image may take at most %(max)d seconds to decode and encode."),
}
WAIT_SECONDS = 10.0  # for a slot
WALL_SECONDS = 30.0  # in the slot
CPU_SECONDS = 15
QUICK_CPU_SECONDS = 3  # enough for a photo of a phone
# Address space. A JPEG of 100 million pixels needs 710 MB if it is progressive, one of 48 million 120 to 350.
MEMORY_BYTES = 1024 * 1024 * 1024
RETRY_SECONDS = 5
WAITING_PER_SLOT = 8
FREE_THREADS = 3  # of each server process, for everything else


def limit_for_this_process(*, reserved: int = 0) -> ConcurrencyLimit:
    """Return a limit of at least two slots, one of them never held by the user who has all the others. It applies in
    every process, so it applies to all of them together. `reserved` slots are for the work of another limit."""
    slots = max(2, (os.cpu_count() or 1) // settings.WEB_CONCURRENCY)
    waiting = slots * WAITING_PER_SLOT
    if settings.WEB_THREADS:
        waiting = max(0, min(waiting, settings.WEB_THREADS - slots - FREE_THREADS))
    return ConcurrencyLimit(
        slots=slots - reserved,
        waiting=waiting,
        timeout=WAIT_SECONDS,
        slots_each=slots - 1,
        waiting_each=waiting // 2,
    )


limit = limit_for_this_process()
# A picture that needs more than QUICK_CPU_SECONDS begins again under this limit too. So one slot is never held for
# longer than that, however many users send very large pictures.
large_limit = limit_for_this_process(reserved=1)


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


def reencode(source: IO[bytes], *, user: Any) -> Picture:
    """Return the image in `source`, a file on the disk that `user` has sent, without anything but its pixels. Call it
    outside any transaction: it may wait, and takes seconds.

    Raises NotAllowed for a file that is no image, FieldError for a broken or too large image, and ApiError
    SERVICE_UNAVAILABLE when too many come at once.
    """
    with ExitStack() as stack:
        image = stack.enter_context(tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR))
        thumbnail = stack.enter_context(tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR))
        with limit.slot(user.pk):
            result = run_sandbox(source, image, thumbnail, min(QUICK_CPU_SECONDS, CPU_SECONDS))
        if result.get("refused") == "too_much_time" and QUICK_CPU_SECONDS < CPU_SECONDS:
            with large_limit.slot(user.pk), limit.slot(user.pk):
                result = run_sandbox(source, image, thumbnail, CPU_SECONDS)
        if result.get("refused") == "no_image":
            raise NotAllowed
        if "refused" in result:
            code, params = result["refused"], result["params"]
            raise FieldError("file", code, REFUSALS[code] % params, params=params)
        image.seek(0)
        thumbnail.seek(0)
        stack.pop_all()  # the caller closes them
        return Picture(image=image, thumbnail=thumbnail, **result)


def run_sandbox(
    source: IO[bytes], image: IO[bytes], thumbnail: IO[bytes], cpu_seconds: int
) -> dict[str, Any]:
    """Return the output of the process, or the reason why it was stopped."""
    outputs = (image.fileno(), thumbnail.fileno())
    os.lseek(source.fileno(), 0, os.SEEK_SET)
    for output in outputs:  # which hold something if it begins again
        os.lseek(output, 0, os.SEEK_SET)
        os.ftruncate(output, 0)
    try:
        done = subprocess.run(  # noqa: S603 - our own file, and numbers
            [sys.executable, "-I", str(SANDBOX), *map(str, (*outputs, cpu_seconds, MEMORY_BYTES))],
            stdin=source.fileno(),
            capture_output=True,
            pass_fds=outputs,
            env={},  # none of our secrets
            timeout=WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        log.warning("image_took_too_long", seconds=WALL_SECONDS)
        raise ApiError("SERVICE_UNAVAILABLE", retry_after=RETRY_SECONDS) from error
    if done.returncode == -signal.SIGXCPU:
        return {"refused": "too_much_time", "params": {"max": CPU_SECONDS}}
    if done.returncode != 0:
        log.warning(
            "image_sandbox_failed", code=done.returncode, error=done.stderr[-500:].decode(errors="replace")
        )
        return {"refused": "invalid_image", "params": {}}
    return json.loads(done.stdout)
