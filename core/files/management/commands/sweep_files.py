"""Comparison of the storage with the records: after a restored backup, a lost disk, or a mistake in the code."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from core.files import services as files
from core.files.models import StoredFile
from core.web.progress import Progress

# `keep` runs in the transaction of the row that refers to the file, which may be long.
SETTLED_AFTER = timedelta(hours=1)


class Command(BaseCommand):
    help = (
        "Delete files in the storage that nothing in the database needs, and name what is lost. "
        "Safe at any time, and to run twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only report the files to delete")

    def handle(self, *, dry_run: bool, **_options: Any) -> None:
        # Before the records: each is older than its file and is deleted after it, so a file without one is not needed.
        present = set(files.storage.keys())
        orphans = present - {pk.hex for pk in StoredFile.objects.values_list("pk", flat=True).iterator()}
        failed = 0 if dry_run else self.delete(orphans)
        before = timezone.now() - SETTLED_AFTER
        settled = StoredFile.objects.filter(state=StoredFile.State.IN_USE, created_at__lt=before)
        with transaction.atomic():
            rows = without_references(settled)
            unreferenced = rows.count() if dry_run else files.schedule_deletion_of(rows)
        lost = [stored for stored in settled.iterator() if stored.pk.hex not in present]
        for stored in lost:
            self.stderr.write(f"lost: {stored.name} {stored.filename}")
        done, count = "Would delete" if dry_run else "Deleted", len(orphans) - failed
        self.stdout.write(f"{done}: {count} files without a record, {unreferenced} that nothing points to.")
        if lost or failed:
            self.stdout.write(f"Lost: {len(lost)}. Not deleted: {failed}.")

    def delete(self, orphans: set[str]) -> int:
        """Delete the files of these keys from the storage. Return how many could not be deleted."""
        failed = 0
        with Progress(self.stdout, "files", len(orphans)) as progress:
            for done, key in enumerate(orphans, start=1):
                stored = StoredFile(pk=UUID(key))
                try:
                    files.storage.delete(stored.name)
                except OSError as error:
                    failed += 1
                    self.stderr.write(f"not deleted: {stored.name}: {error}")
                progress(done)
        return failed


def without_references(rows: QuerySet[StoredFile]) -> QuerySet[StoredFile]:
    """Return the files to which no row refers: it was deleted without `files.schedule_deletion`."""
    for field in StoredFile._meta.get_fields(include_hidden=True):
        if field.auto_created and not field.concrete and field.related_model is not None:
            related: Any = field.related_model
            referring = related._base_manager.filter(**{field.field.name: OuterRef("pk")})  # type: ignore[union-attr]
            rows = rows.exclude(Exists(referring))
    return rows
