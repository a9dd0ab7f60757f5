from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.backups import services as backups
from core.backups.catalogue import find, place_of_backups
from core.backups.programs import BackupError, ended_cleanly


class Command(BaseCommand):
    help = (
        "Restore a backup into a scratch database, and compare tables and files with its manifest. The result is stored"
        " next to it, for `doctor`. Exits with 1 if it failed or could not run. Needs CREATEDB on PostgreSQL."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", default="", help="default: the newest")
        parser.add_argument("--from", default="", dest="place", metavar="PLACE", help="as --to of `backup`")

    @ended_cleanly()
    def handle(self, *, name: str, place: str, **_options: Any) -> None:
        try:
            backup = find(place_of_backups(place), name)
            result = backups.verify(backup)
        except BackupError as error:
            raise CommandError(str(error)) from error
        if not result["ok"]:
            raise CommandError(f"{backup.name} is not proven: {result['problem']}")
        self.stdout.write(f"{backup.name} is proven: restored and compared in {result['seconds']} s")
