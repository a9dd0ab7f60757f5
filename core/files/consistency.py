"""Compares the storage with the records: after a restored backup, a lost disk, or a mistake in the code."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from core.files import services as files
from core.files.models import StoredFile, storage_name

BATCH = 1000
# A file is kept and pointed to in one transaction, but a long one may be under way.
SETTLED_AFTER = timedelta(hours=1)


def orphans() -> Iterator[str]:
    """Names of files in the storage that no record knows. A record is older than its file and outlives it, so a file
    without one was never meant to stay."""
    for keys in batches(files.storage.keys()):
        known = {
            pk.hex for pk in StoredFile.objects.filter(pk__in=map(UUID, keys)).values_list("pk", flat=True)
        }
        yield from (storage_name(key) for key in keys if key not in known)


def missing() -> Iterator[StoredFile]:
    """Kept, and not in the storage: lost. Nothing here can bring them back."""
    there: set[str] = set(files.storage.keys())
    kept = StoredFile.objects.filter(
        state=StoredFile.State.KEPT, created_at__lt=timezone.now() - SETTLED_AFTER
    )
    for stored in kept.iterator(BATCH):
        if stored.pk.hex not in there:
            yield stored


def unreferenced() -> QuerySet[StoredFile]:
    """Kept, and nothing points to them: somebody deleted the row past `files.discard`."""
    rows = StoredFile.objects.filter(
        state=StoredFile.State.KEPT, created_at__lt=timezone.now() - SETTLED_AFTER
    )
    for field in StoredFile._meta.get_fields(include_hidden=True):
        if field.auto_created and not field.concrete and field.related_model is not None:
            related: Any = field.related_model
            pointing = related._base_manager.filter(**{field.field.name: OuterRef("pk")})  # type: ignore[union-attr]
            rows = rows.exclude(Exists(pointing))
    return rows


def batches(keys: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(keys)
    while batch := list(islice(iterator, BATCH)):
        yield batch
