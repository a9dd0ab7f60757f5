"""Files: stored on the local disk or in an S3-compatible bucket, kept or thrown away with the rows that need them.

    stored = files.store(chunks, user=user, content_type="text/csv", filename="a.csv")  # no transaction is open
    with transaction.atomic():
        files.keep(stored)          # in the transaction of the row that points to it
    ...
        files.discard(stored)       # in the transaction that deletes that row

The record of a file is committed before its first byte is written, and goes after its last one. So a process that
dies anywhere leaves a record that is not kept, and with it the purge finds the file (decision 22).
"""

import errno
import time
from collections.abc import Generator, Iterable, Iterator
from datetime import timedelta
from typing import IO, Any

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import models, transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from core.db.retention import purges_expired
from core.files.models import StoredFile
from core.files.names import disposition_of, name_for
from core.outbox import services as outbox
from core.web.errors import ApiError

log = structlog.get_logger(__name__)

LINK_LIFETIME = timedelta(minutes=5)
PENDING_LIFETIME = timedelta(hours=1)  # longer than any request or job takes to keep what it has stored
BATCH = 200
MOST_FAILURES = 3  # a storage that is away must not cost a time-out for each file
UNAVAILABLE_RETRY_SECONDS = 5
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
DELETION = "core.delete_files"

storage: Any = (
    default_storage  # core.files.storages.disk.DiskStorage or core.files.storages.bucket.BucketStorage
)


class NoSpace(ApiError):
    code = "INSUFFICIENT_STORAGE"


class StorageAway(ApiError):
    code = "SERVICE_UNAVAILABLE"


class QuotaExceeded(ApiError):
    code = "CONFLICT"

    def __init__(self) -> None:
        message = _(
            "Your files may take %(max)d MiB together, those of your imports and exports too. Delete some first."
        )
        super().__init__(message=message % {"max": settings.UPLOAD_QUOTA // (1024 * 1024)})


class FileGone(ApiError):
    """The purge took a pending file before it was kept: its writer was slower than PENDING_LIFETIME."""

    code = "SERVICE_UNAVAILABLE"


class Chunks(File):
    """An iterator of bytes, as the storages want it. Raises QuotaExceeded at the first byte without room."""

    def __init__(self, chunks: Iterable[bytes], room: int) -> None:
        super().__init__(None, name="")
        self.size_so_far, self._chunks, self._room = 0, chunks, room

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size_so_far += len(chunk)
            if self.size_so_far > self._room:
                raise QuotaExceeded
            yield chunk

    def stop(self) -> None:
        """End what makes the bytes: an export reads in a transaction in which nothing can be deleted."""
        if isinstance(self._chunks, Generator):
            self._chunks.close()


def store(
    chunks: Iterable[bytes], *, user: Any, content_type: str, filename: str, size: int | None = None
) -> StoredFile:
    """Write a file, pending until `keep`. Call it outside any transaction, or the record is not there in time.

    It takes from the quota of `user` until it is discarded or purged. One whose `size` is known beforehand is refused
    before it is written; any other, such as an export, as soon as it has no room. Raises QuotaExceeded, NoSpace,
    StorageAway; then nothing is left.
    """
    stored = StoredFile(user=user, content_type=content_type, size=size or 0)
    stored.filename = name_for(filename, content_type)
    with transaction.atomic():
        room = room_of(user)
        if stored.size > room:
            raise QuotaExceeded
        stored.save(force_insert=True)
    content = Chunks(chunks, room)
    try:
        storage.save(stored.name, content)
        if content.size_so_far != stored.size:
            settle(stored, content.size_so_far)
    except BaseException as error:
        content.stop()
        forget(stored)
        if isinstance(error, OSError):
            raise refusal(error) from error
        raise
    return stored


def room_of(user: Any) -> int:
    """How many bytes of the quota are left, in a transaction. Exact, however many uploads run at once: each holds the
    user's row until its record is written."""
    get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)
    used = StoredFile.objects.filter(user=user, counted=True).aggregate(total=Sum("size"))["total"] or 0
    return int(settings.UPLOAD_QUOTA - used)


def settle(stored: StoredFile, size: int) -> None:
    """Record the size that was not known before. Others may have taken the room meanwhile."""
    with transaction.atomic():
        if size > room_of(stored.user) + stored.size:
            raise QuotaExceeded
        stored.size = size
        stored.save(update_fields=["size"])


def refusal(error: OSError) -> ApiError:
    if error.errno in FULL:
        log.error("storage_full", exc_info=error)
        return NoSpace()
    log.error("storage_unavailable", error=type(error).__name__, exc_info=error)
    return StorageAway(retry_after=UNAVAILABLE_RETRY_SECONDS)


def forget(stored: StoredFile) -> None:
    """Undo a `store` at once, as far as that goes; the purge does the rest."""
    try:
        storage.delete(stored.name)
        stored.delete()
    except Exception as error:
        log.warning("file_left_to_the_purge", file=str(stored.pk), error=repr(error))


def keep(stored: StoredFile) -> None:
    """In the transaction of the row that points to it. Raises FileGone."""
    pending = StoredFile.objects.filter(pk=stored.pk, state=StoredFile.State.PENDING)
    if not pending.update(state=StoredFile.State.KEPT):
        raise FileGone(retry_after=UNAVAILABLE_RETRY_SECONDS)
    stored.state = StoredFile.State.KEPT


def discard(*stored: StoredFile) -> None:
    """In the transaction that deletes the rows that point to them. The bytes go after the commit."""
    discard_all(StoredFile.objects.filter(pk__in=[item.pk for item in stored]))


def discard_all(files: models.QuerySet[StoredFile]) -> int:
    """`discard` for every file of a query, e.g. `StoredFile.objects.filter(user=user)`. Says how many."""
    doomed = files.exclude(state=StoredFile.State.DOOMED).update(
        state=StoredFile.State.DOOMED, user=None, filename=""
    )
    if doomed:
        outbox.enqueue(DELETION, {})
    return doomed


def open_file(stored: StoredFile) -> IO[bytes]:
    """Raises FileNotFoundError, and StorageAway."""
    try:
        opened: IO[bytes] = storage.open(stored.name, "rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise refusal(error) from error
    return opened


def signed_url(
    stored: StoredFile, *, filename: str = "", inline: bool = False, made_at: int | None = None
) -> str:
    """An address that hands the file out to anybody for LINK_LIFETIME, counted from `made_at` (seconds).

    The name is made to fit the type here too, since older records hold what a client sent.

    With `inline` browsers show it; for nothing that could hold a script.
    """
    return str(
        storage.link(
            stored,
            disposition=disposition_of(
                name_for(filename or stored.filename, stored.content_type), inline=inline
            ),
            expires_at=(made_at or int(time.time())) + int(LINK_LIFETIME.total_seconds()),
        )
    )


# --- what is left over -----------------------------------------------------------------------------


@outbox.handles(DELETION)
def delete_doomed_files(_message: Any) -> None:
    if delete_doomed() == 0 and StoredFile.objects.filter(state=StoredFile.State.DOOMED).exists():
        raise StorageAway


@purges_expired("files")
def purge_files() -> int:
    """One batch: what was never kept, and what is doomed and still there."""
    over = timezone.now() - PENDING_LIFETIME
    abandoned = StoredFile.objects.filter(state=StoredFile.State.PENDING, created_at__lt=over)
    abandoned.update(state=StoredFile.State.DOOMED, user=None, filename="")
    return delete_doomed()


def delete_doomed() -> int:
    """Delete one batch of doomed files: first the bytes, then the record. Says how many are gone."""
    gone, failures = [], 0
    for stored in StoredFile.objects.filter(state=StoredFile.State.DOOMED).order_by("created_at")[:BATCH]:
        try:
            storage.delete(stored.name)
            gone.append(stored.pk)
        except OSError as error:
            failures += 1
            log.warning("file_not_deleted", file=str(stored.pk), error=repr(error))
            if failures == MOST_FAILURES:
                break
    StoredFile.objects.filter(pk__in=gone).delete()
    return len(gone)
