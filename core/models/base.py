"""The base of every model: key, times, version, soft deletion."""

from typing import Any, Self

from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7


class BaseQuerySet(models.QuerySet[Any]):
    def alive(self) -> Self:
        return self.filter(deleted_at=None)

    def trashed(self) -> Self:
        return self.exclude(deleted_at=None)


class BaseModel(models.Model):
    """A UUIDv7 key, which sorts by time of creation (RFC 9562), timestamps, a version and soft deletion.

    Every visible change goes through `save_changes`, so that the version, and with it the ETag, moves.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    objects = BaseQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding:
            self.updated_at = self.created_at  # two calls of now() would differ
        super().save(*args, **kwargs)

    @property
    def etag(self) -> str:
        """Strong (RFC 9110, 8.8.1): from the version column, so two equal tags mean equal bytes."""
        return f'"v{self.version}"'

    def save_changes(self, *columns: str) -> None:
        """Store these columns as one visible change. The caller holds the row (locked, or just made)."""
        self.version += 1
        self.updated_at = timezone.now()
        self.save(update_fields=[*columns, "version", "updated_at"])

    def soft_delete(self) -> None:
        self.deleted_at = timezone.now()
        self.save_changes("deleted_at")

    def restore(self) -> None:
        """Raises IntegrityError when a unique value was taken in the meantime."""
        self.deleted_at = None
        self.save_changes("deleted_at")
