"""Files in the storage, and the base of what is attached to an object."""

import re
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from core.db.access import AccessQuerySet

HEX = re.compile(r"[0-9a-f]{32}")  # the key of a file in a storage


class StoredFile(models.Model):
    """One file in the storage. The row is committed before the first byte is written and deleted after the last one, so
    that a process that is killed leaves no file without a row.

    A file in use has a row that refers to it by a foreign key; `sweep_files` deletes one that has none.
    """

    class State(models.TextChoices):
        PENDING = "pending"  # being written, or written and not yet in use: deleted after an hour
        IN_USE = "in_use"
        DELETING = "deleting"  # the bytes are deleted as soon as the storage is available

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="stored_files"
    )
    filename = models.CharField(
        max_length=255, blank=True, help_text="As the client called it; not the storage"
    )
    content_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["created_at"], condition=~models.Q(state="in_use"), name="stored_file_not_in_use"
            )
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(state__in=["pending", "in_use", "deleting"]),
                name="stored_file_state_is_known",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="deleting") | models.Q(user=None, filename=""),
                name="deleted_file_has_no_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.filename or self.pk} ({self.state})"

    @property
    def served_type(self) -> str:
        plain = self.content_type.startswith("text/") and ";" not in self.content_type
        return f"{self.content_type}; charset=utf-8" if plain else self.content_type

    @property
    def name(self) -> str:
        """The name in the storage, without anything of a client. The first digits of a UUIDv7 are the time, so the last
        two choose one of 256 folders."""
        return f"{self.pk.hex[-2:]}/{self.pk.hex}"


class DeletionHold(models.Model):
    """The one row of core/files/holds.py: until then no file is deleted."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    holder = models.UUIDField()
    held_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.holder} until {self.held_until}"


class AttachmentQuerySet(AccessQuerySet):
    """Rows of a model whose `parent` names the foreign key to what they are attached to."""

    def visible_to(self, user: Any) -> Self:
        """Return the attachments of the objects that this user may read."""
        return self.filter(**{f"{self.model.parent}__in": self.parents().visible_to(user).values("pk")})

    def writable_by(self, user: Any) -> Self:
        return self.filter(**{f"{self.model.parent}__in": self.parents().writable_by(user).values("pk")})

    def owned_by(self, user: Any) -> Self:
        """Return the attachments of the user's own objects, with their files."""
        own = self.parents().owned_by(user).values("pk")
        return self.filter(**{f"{self.model.parent}__in": own}).with_files()

    def not_deleted(self) -> Self:
        return self.filter(**{f"{self.model.parent}__deleted_at": None})

    def parents(self) -> Any:
        return self.model._meta.get_field(self.model.parent).related_model.objects.all()

    def files(self) -> models.QuerySet[StoredFile]:
        """Return the files of these attachments, thumbnails included."""
        return StoredFile.objects.filter(
            models.Q(pk__in=self.order_by().values("file"))
            | models.Q(pk__in=self.order_by().values("thumbnail"))
        )

    def with_files(self) -> Self:
        return self.select_related("file", "thumbnail")


class BaseAttachment(models.Model):
    """A file that belongs to an object. A subclass adds the foreign key to it, and names that in `parent`."""

    parent: ClassVar[str]

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # RESTRICT: a file is deleted by `core.files.services.schedule_deletion`, with its bytes, or with its owner.
    file = models.OneToOneField(StoredFile, on_delete=models.RESTRICT, related_name="+")
    thumbnail = models.OneToOneField(StoredFile, null=True, on_delete=models.RESTRICT, related_name="+")
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)

    objects: ClassVar = AttachmentQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering: ClassVar[list[Any]] = ["created_at", "id"]

    def __str__(self) -> str:
        return str(self.file.filename)

    @property
    def etag(self) -> str:
        return '"v1"'  # it never changes


class HasAttachments(models.Model):
    """A base for a BaseModel with attachments."""

    # So that an object without any costs no further query. It changes under the lock on the row.
    attachment_count = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        abstract = True
