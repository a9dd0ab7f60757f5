"""Files without a record, and records without a file."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from core.files import consistency as file_sweep
from core.files import services as files


class Command(BaseCommand):
    help = (
        "Delete files in the storage that nothing in the database needs, and name what is lost. "
        "Safe at any time, and to run twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only report the files to delete")

    def handle(self, *, dry_run: bool, **_options: Any) -> None:
        orphans = failed = 0
        for name in file_sweep.orphans():
            try:
                if not dry_run:
                    files.storage.delete(name)
                orphans += 1
            except OSError as error:
                failed += 1
                self.stderr.write(f"not deleted: {name}: {error}")
        with transaction.atomic():
            rows = file_sweep.unreferenced()
            unreferenced = rows.count() if dry_run else files.schedule_deletion_of(rows)
        lost = 0
        for stored in file_sweep.missing():
            lost += 1
            self.stderr.write(f"lost: {stored.name} {stored.filename}")
        done = "Would delete" if dry_run else "Deleted"
        self.stdout.write(f"{done}: {orphans} files without a record, {unreferenced} that nothing points to.")
        if lost or failed:
            self.stdout.write(f"Lost: {lost}. Not deleted: {failed}.")
