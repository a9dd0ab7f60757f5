"""Comparison of the storage with the records: after a restored backup, a lost disk, or a mistake in the code."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from core.files import services as files
from core.files.models import StoredFile, storage_name

BATCH = 1000
# `keep` runs in the transaction of the row that refers to the file, which may be long.
SETTLED_AFTER = timedelta(hours=1)


def orphans() -> Iterator[str]:
    """Yield the names of files without a record. A record is older than its file and is deleted after it, so nothing
    refers to such a file."""
    keys = files.storage.keys()
    while batch := list(islice(keys, BATCH)):
        rows = StoredFile.objects.filter(pk__in=map(UUID, batch))
        known = {pk.hex for pk in rows.values_list("pk", flat=True)}
        yield from (storage_name(key) for key in batch if key not in known)


def settled() -> QuerySet[StoredFile]:
    before = timezone.now() - SETTLED_AFTER
    return StoredFile.objects.filter(state=StoredFile.State.KEPT, created_at__lt=before)


def missing() -> Iterator[StoredFile]:
    """Yield kept files that are not in the storage: they are lost."""
    present: set[str] = set(files.storage.keys())
    yield from (stored for stored in settled().iterator(BATCH) if stored.pk.hex not in present)


def unreferenced() -> QuerySet[StoredFile]:
    """Return kept files to which no row refers: it was deleted without `files.schedule_deletion`."""
    rows = settled()
    for field in StoredFile._meta.get_fields(include_hidden=True):
        if field.auto_created and not field.concrete and field.related_model is not None:
            related: Any = field.related_model
            referring = related._base_manager.filter(**{field.field.name: OuterRef("pk")})  # type: ignore[union-attr]
            rows = rows.exclude(Exists(referring))
    return rows
