"""The base of every model: key, times, version, soft deletion."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self
from uuid import UUID

from django.conf import settings
from django.db import models, router, transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from core.db.access import Access, AccessQuerySet
from core.db.references import renew_referring
from core.db.sort_keys import values_with_sort_keys, with_sort_keys
from core.db.statements import insert

# Functions that are called with a model and keys, before code of the framework deletes these rows for good.
before_erasure: list[Callable[[Any, Collection[Any]], None]] = []
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BaseQuerySet(AccessQuerySet):
    def not_deleted(self) -> Self:
        return self.filter(deleted_at=None)

    def trashed(self) -> Self:
        return self.exclude(deleted_at=None)

    def erase(self, keys: Collection[Any]) -> int:
        """Delete these rows for good, with what belongs to them. In a transaction; return the number of all rows.

        Raises ProtectedError and RestrictedError where a row is needed by another.
        """
        for prepare in before_erasure:
            prepare(self.model, keys)
        rows = self.model._base_manager.filter(pk__in=keys)
        renew_referring(rows, using=rows.db, base=BaseModel)
        return int(rows.delete()[0])

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows for good. Rows that refer to them by SET_NULL get a new version."""
        using = self.select_for_update().db  # that of writes
        with transaction.atomic(using=using):
            if not (self.query.is_sliced or self.query.combinator):  # which Django refuses
                renew_referring(self.order_by(), using=using, base=BaseModel)
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def update(self, **values: Any) -> int:
        return super().update(**values_with_sort_keys(self.model, values))

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        if kwargs.get("update_fields") is not None:
            kwargs["update_fields"] = with_sort_keys(self.model, kwargs["update_fields"])
        return super().bulk_create(objs, *args, **kwargs)

    def bulk_update(self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None = None) -> int:
        return super().bulk_update(objs, with_sort_keys(self.model, fields), batch_size)

    def save_changes(self, rows: Sequence["BaseModel"], *columns: str) -> None:
        """`BaseModel.save_changes` of many, with one statement. The caller holds the rows."""
        now = timezone.now()
        for row in rows:
            row.version += 1
            row.updated_at = now
        if rows:
            names = with_sort_keys(self.model, [*columns, "version", "updated_at"])
            self.model._base_manager.bulk_update(rows, names)

    def soft_delete(self, rows: Sequence["BaseModel"]) -> None:
        """`BaseModel.soft_delete` of many, with one statement. The caller holds the rows."""
        now = timezone.now()
        for row in rows:
            row.deleted_at = now
        self.save_changes(rows, "deleted_at")


class BaseModel(models.Model):
    """A UUIDv7 key, which sorts by time of creation (RFC 9562), timestamps, a version and soft deletion.

    Every visible change goes through `save_changes`, so that the version, and with it the ETag, moves. `access` states
    who may read and write which rows; without it the queryset has a `visible_to(user)` of its own. Deleted rows are in
    the trash for `trash_retention`; then core/files/tasks.py deletes them for good.
    """

    access: ClassVar[Access | None] = None
    trash_retention: ClassVar[timedelta | None] = None  # None: the setting TRASH_RETENTION
    keeps_trash: ClassVar[bool] = True  # False: code of the app deletes its soft-deleted rows for good
    # Annotations and properties of a row whose every change moves its ETag, and the version of its owner too; and
    # filters that depend on nothing else. Where a serializer shows anything but columns and these, a read of an
    # object has no 304.
    etag_covers: ClassVar[frozenset[str]] = frozenset()
    # Whether a change of a row gives its owner a new version (core/db/owner_versions.py). Without it no list of the
    # model has an ETag.
    moves_owner_version: ClassVar[bool] = True
    # Whether the database records the changes of the rows for a feed (core/db/changes.py, ChangesViewSet).
    keeps_changes: ClassVar[bool] = False
    # Whether webhooks may subscribe to the audit events of the rows (core/webhooks).
    emits_events: ClassVar[bool] = True

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

    def save_base(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("update_fields") is not None:
            kwargs["update_fields"] = with_sort_keys(type(self), kwargs["update_fields"])
        super().save_base(*args, **kwargs)

    def delete(self, using: Any = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete the row for good. Rows that refer to it by SET_NULL get a new version."""
        alias = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=alias):
            if self.pk is not None:
                renew_referring([self], using=alias, base=BaseModel)
            return super().delete(using=using, keep_parents=keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]

    def insert(self) -> None:
        """`save` of a new row, by a statement that is compiled once."""
        self.updated_at = self.created_at
        insert(self)

    @property
    def etag(self) -> str:
        return etag_of(self.version, self.updated_at)

    @property
    def purge_at(self) -> datetime | None:
        """Return when the row will be deleted for good, if it is in the trash."""
        return self.deleted_at and self.deleted_at + (self.trash_retention or settings.TRASH_RETENTION)

    def save_changes(self, *columns: str) -> None:
        """Store these columns as one visible change. The caller holds the row (locked, or just made)."""
        self.version += 1
        self.updated_at = timezone.now()
        self.save(update_fields=[*columns, "version", "updated_at"])

    def soft_delete(self) -> None:
        self.deleted_at = timezone.now()
        self.save_changes("deleted_at")

    def restore(self) -> None:
        """Take the row out of the trash. Raises IntegrityError if another row has its unique value now."""
        self.deleted_at = None
        self.save_changes("deleted_at")


def key_at(moment: datetime) -> UUID:
    """Return the lowest UUIDv7 of a time: 48 bits of milliseconds (RFC 9562, 5.7), the rest zero. Rows that were
    created since then have higher keys."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def etag_of(version: int, updated_at: datetime, also: str = "") -> str:
    """Return a strong ETag (RFC 9110, 8.8.1). `also` is what a client sees besides the row.

    The time is part of it since a restored database counts the same versions again, for other contents.
    """
    microseconds = (updated_at - EPOCH) // timedelta(microseconds=1)
    return f'"v{version}-{microseconds:x}{also and f"-{also}"}"'
