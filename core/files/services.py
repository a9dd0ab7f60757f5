"""Files on the local disk or in an S3-compatible bucket, stored and deleted together with the rows that refer to them.

    stored = files.store(chunks, user=user, content_type="text/csv", filename="a.csv")  # outside a transaction
    with transaction.atomic():
        files.confirm(stored)               # in the transaction of the row that refers to it
    ...
        files.schedule_deletion(stored)  # in the transaction that deletes that row

The record of a file is committed before its first byte is written, and deleted after its last one. So a process that is
killed anywhere leaves a record that is not in use, by which the purge finds the file (decision 22).
"""

import errno
import time
from collections.abc import Collection, Generator, Iterable, Iterator
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

from core.db.base import before_erasure
from core.db.retention import purges_expired
from core.files.holds import deletable
from core.files.models import BaseAttachment, StoredFile
from core.files.names import disposition_of, name_for
from core.outbox import services as outbox
from core.web.errors import UNAVAILABLE_RETRY_SECONDS, ApiError

log = structlog.get_logger(__name__)

LINK_LIFETIME = timedelta(minutes=5)
PENDING_LIFETIME = timedelta(hours=1)  # longer than any request or job takes to confirm a file
BATCH = 200
MAX_FAILURES = 3  # each may take the timeout of a storage that is not available
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
DELETION = "core.delete_files"
DELETING: dict[str, Any] = {"state": StoredFile.State.DELETING, "user": None, "filename": ""}

storage: Any = default_storage  # a DiskStorage or a BucketStorage (core/files/storages)


class StorageUnavailable(ApiError):
    code = "SERVICE_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__(retry_after=UNAVAILABLE_RETRY_SECONDS)


class QuotaExceeded(ApiError):
    code = "CONFLICT"

    def __init__(self) -> None:
        message = _(
            "Your files may take %(max)d MiB together, those of your imports and exports too. Delete some first."
        )
        super().__init__(message=message % {"max": settings.UPLOAD_QUOTA // (1024 * 1024)})


class Chunks(File):
    """An iterator of bytes with the interface of the storages. Raises QuotaExceeded at the first byte without room."""

    def __init__(self, chunks: Iterable[bytes], room: int) -> None:
        super().__init__(None, name="")
        self.written, self.source, self.room = 0, chunks, room

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        for chunk in self.source:
            self.written += len(chunk)
            if self.written > self.room:
                raise QuotaExceeded
            yield chunk


def store(
    chunks: Iterable[bytes], *, user: Any, content_type: str, filename: str, size: int | None = None
) -> StoredFile:
    """Write a file, pending until `confirm`. Call it outside any transaction, or its record is committed too late.

    It uses the quota of `user` until its deletion is scheduled. A file whose `size` is known is refused before it
    is written, any other, such as an export, at the first byte without room. Raises QuotaExceeded, StorageUnavailable
    and ApiError INSUFFICIENT_STORAGE; then nothing is left.
    """
    name = name_for(filename, content_type)
    stored = StoredFile(user=user, content_type=content_type, filename=name)
    content = Chunks(chunks, room=save_size(stored, size or 0))
    try:
        storage.save(stored.name, content)
        if content.written != stored.size:
            save_size(stored, content.written)
    except BaseException as error:
        if isinstance(chunks, Generator):
            chunks.close()  # an export reads in a transaction in which nothing can be deleted
        delete_now(stored)
        if isinstance(error, OSError):
            raise refusal(error) from error
        raise
    return stored


def save_size(stored: StoredFile, size: int) -> int:
    """Save the file with this size, and return how many bytes it may have. Raises QuotaExceeded. Exact, however many
    uploads run at once: each locks the row of the user until the end of the transaction."""
    with transaction.atomic():
        get_user_model().objects.select_for_update(no_key=True).get(pk=stored.user_id)
        others = StoredFile.objects.filter(user=stored.user_id).exclude(pk=stored.pk)
        room = int(settings.UPLOAD_QUOTA - (others.aggregate(total=Sum("size"))["total"] or 0))
        if size > room:
            raise QuotaExceeded
        stored.size = size
        stored.save(update_fields=None if stored._state.adding else ["size"])
    return room


def refusal(error: OSError) -> ApiError:
    if error.errno in FULL:
        log.error("storage_full", exc_info=error)
        return ApiError("INSUFFICIENT_STORAGE")
    log.error("storage_unavailable", error=type(error).__name__, exc_info=error)
    return StorageUnavailable()


def delete_now(stored: StoredFile) -> None:
    """Delete a pending file. Where that fails, the purge does it later."""
    try:
        storage.delete(stored.name)
        stored.delete()
    except Exception as error:
        log.warning("file_left_to_the_purge", file=str(stored.pk), error=repr(error))


def confirm(stored: StoredFile) -> None:
    """Keep a pending file, in the transaction of the row that refers to it. Raises StorageUnavailable if the purge has
    deleted it: its writer was slower than PENDING_LIFETIME."""
    pending = StoredFile.objects.filter(pk=stored.pk, state=StoredFile.State.PENDING)
    if not pending.update(state=StoredFile.State.IN_USE):
        raise StorageUnavailable
    stored.state = StoredFile.State.IN_USE


def schedule_deletion(*stored: StoredFile) -> None:
    """Delete files after the commit. Call it in the transaction that deletes the rows that refer to them."""
    schedule_deletion_of(StoredFile.objects.filter(pk__in=[item.pk for item in stored]))


def schedule_deletion_of(rows: models.QuerySet[StoredFile]) -> int:
    """Delete the files of a query after the commit. Return their number."""
    scheduled = rows.exclude(state=StoredFile.State.DELETING).update(**DELETING)
    if scheduled:
        outbox.enqueue(DELETION, {})
    return scheduled


def delete_files_of(model: Any, keys: Collection[Any]) -> None:
    """Delete the files of attachments with their objects."""
    for relation in model._meta.related_objects:
        if issubclass(relation.related_model, BaseAttachment):
            attached = relation.related_model.objects.filter(**{f"{relation.field.name}__in": keys})
            schedule_deletion_of(attached.files())


before_erasure.append(delete_files_of)


def open_file(stored: StoredFile) -> IO[bytes]:
    """Open a file for reading. Raises FileNotFoundError, and StorageUnavailable."""
    try:
        return storage.open(stored.name, "rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise refusal(error) from error


def signed_url(
    stored: StoredFile, *, filename: str = "", inline: bool = False, made_at: int | None = None
) -> str:
    """Return a URL by which anybody can download the file for LINK_LIFETIME, counted from `made_at` (seconds).

    The name gets an ending of the type here too, since older records hold what a client sent. With `inline` browsers
    show the file; not for types that could hold a script.
    """
    name = name_for(filename or stored.filename, stored.content_type)
    expires_at = (made_at or int(time.time())) + int(LINK_LIFETIME.total_seconds())
    return str(storage.link(stored, disposition=disposition_of(name, inline=inline), expires_at=expires_at))


@outbox.handles(DELETION)
def delete_scheduled_files(_message: Any) -> None:
    if delete_batch() == 0 and deletable().exists():
        raise StorageUnavailable


def delete_batch() -> int:
    """Delete scheduled files: first the bytes, then the record. Return how many are deleted; during a backup none."""
    deleted, failures = [], 0
    for stored in deletable().order_by("created_at")[:BATCH]:
        try:
            storage.delete(stored.name)
            deleted.append(stored.pk)
        except OSError as error:
            failures += 1
            log.warning("file_not_deleted", file=str(stored.pk), error=repr(error))
            if failures == MAX_FAILURES:
                break
    StoredFile.objects.filter(pk__in=deleted).delete()
    return len(deleted)


def delete_expired(rows: models.QuerySet[StoredFile]) -> int:
    """Delete one batch of files, and of those whose deletion was scheduled before. Return their number."""
    rows.filter(state=StoredFile.State.PENDING).update(**DELETING)
    return delete_batch()


@purges_expired("files", delete=delete_expired)
def expired_files() -> models.QuerySet[StoredFile]:
    """Return the files that were never in use, and those whose deletion has failed before."""
    over = timezone.now() - PENDING_LIFETIME
    return StoredFile.objects.filter(state=StoredFile.State.PENDING, created_at__lt=over) | deletable()
