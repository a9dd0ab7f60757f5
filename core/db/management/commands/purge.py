import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.db.retention import PurgeError, of_each, purge, purges
from core.web.progress import Progress


class Command(BaseCommand):
    help = (
        "Delete expired rows now, as beat does once an hour: sessions, one-time tokens, the trash, deleted accounts "
        "and what apps register. Safe at any time, and to run twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "names", nargs="*", metavar="NAME", help="only these, such as `trash` (default: all)"
        )
        parser.add_argument("--dry-run", action="store_true", help="only count the rows to delete")
        parser.add_argument("--json", action="store_true", help="print {name: number of rows}")

    def handle(self, *, names: list[str], dry_run: bool, **options: Any) -> None:
        unknown = [name for name in names if name not in purges]
        if unknown:
            raise CommandError(f"NAME {unknown[0]!r}: no such rows. Those are {', '.join(sorted(purges))}.")
        failure = None
        try:
            counts = of_each(names or sorted(purges), expired if dry_run else self.purge)
        except PurgeError as error:
            counts, failure = error.counts, error
        if options["json"]:
            self.stdout.write(json.dumps(counts))
        else:
            for name, count in counts.items():
                self.stdout.write(f"{'would delete' if dry_run else 'deleted'} {count:>9,}  {name}")
        if failure is not None:
            raise CommandError(str(failure)) from failure

    def purge(self, name: str) -> int:
        with Progress(self.stdout, name, expired(name)) as progress:
            return purge(name, progress=progress)


def expired(name: str) -> int:
    """Return the number of the expired rows of this name."""
    return sum(rows.count() for rows in purges[name].queries())
