"""Attachments of any object: storing what is uploaded, attaching it, detaching it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from core.audit import services as audit
from core.files import services as files
from core.files.content_types import IMAGES, type_of
from core.files.images import reencode
from core.files.models import BaseAttachment, StoredFile
from core.web.errors import ApiError

MAX_ATTACHMENTS = 20
CHUNK_BYTES = 64 * 1024


class TooManyAttachments(ApiError):
    code = "CONFLICT"


@dataclass(frozen=True)
class Prepared:
    """Stored, and not kept yet."""

    file: StoredFile
    thumbnail: StoredFile | None = None
    width: int | None = None
    height: int | None = None

    @property
    def files(self) -> list[StoredFile]:
        return [item for item in (self.file, self.thumbnail) if item is not None]


def prepare(*, upload: UploadedFile, owner: Any, actor: Any) -> Prepared:
    """Check what it is, make an image anew, and store it, pending. Outside any transaction: it takes its time."""
    source = cast(IO[bytes], upload.file)
    name = str(upload.name)
    kind = type_of(source, name)
    if kind not in IMAGES:
        return Prepared(
            files.store(chunks(source), user=owner, content_type=kind, filename=name, size=upload.size)
        )
    picture = reencode(source, user=actor)
    try:
        made = [
            (picture.image, picture.content_type),
            (picture.thumbnail, picture.thumbnail_type),
        ]
        stored: list[StoredFile] = []
        for content, content_type in made:
            try:
                size = content.seek(0, 2)
                stored.append(
                    files.store(
                        chunks(content), user=owner, content_type=content_type, filename=name, size=size
                    )
                )
            except BaseException:
                drop(stored)
                raise
    finally:
        picture.close()
    return Prepared(stored[0], stored[1], picture.width, picture.height)


def chunks(content: IO[bytes]) -> Iterator[bytes]:
    content.seek(0)
    while chunk := content.read(CHUNK_BYTES):
        yield chunk


def drop(stored: list[StoredFile]) -> None:
    for item in stored:
        files.delete_now(item)


def attach(
    *, to: Any, model: type[BaseAttachment], prepared: Prepared, actor: Any, **values: Any
) -> BaseAttachment:
    """Create an attachment, with these values of own columns. Call it with the row of `to` locked.

    Raises TooManyAttachments.
    """
    refuse_more(to)
    with transaction.atomic():
        for stored in prepared.files:
            files.confirm(stored)
        measures = {"width": prepared.width, "height": prepared.height}
        columns = {"file": prepared.file, "thumbnail": prepared.thumbnail, **measures, **values}
        attachment: BaseAttachment = model.objects.create(**{**columns, model.parent: to})
        to.attachment_count += 1
        to.save_changes("attachment_count")
        changes: audit.Changes = {"attachments": [None, prepared.file.filename]}
        audit.record("attachment.created", actor_id=actor.pk, target=to, changes=changes)
    return attachment


def refuse_more(to: Any) -> None:
    if to.attachment_count >= MAX_ATTACHMENTS:
        raise TooManyAttachments(message=f"It has {MAX_ATTACHMENTS} attachments already, which is the most.")


def detach(*, attachment: Any, actor: Any) -> None:
    """Delete an attachment. Call it with the row of the object locked. The bytes are deleted after the commit."""
    to = getattr(attachment, attachment.parent)
    stored = [item for item in (attachment.file, attachment.thumbnail) if item is not None]
    with transaction.atomic():
        changes: audit.Changes = {"attachments": [attachment.file.filename, None]}
        audit.record("attachment.deleted", actor_id=actor.pk, target=to, changes=changes)
        attachment.delete()
        files.schedule_deletion(*stored)
        to.attachment_count -= 1
        to.save_changes("attachment_count")
