from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.backups.programs import BackupError
from core.backups.services import engine
from core.backups.settlement import settle


class Command(BaseCommand):
    help = (
        "Settle a database that PostgreSQL has recovered to a point in time, as `restore` does with a backup: all"
        " sessions end, links in emails are void, and lists of clients and the cache are not valid any more. Run it"
        " before the product is started again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--pending-mail",
            choices=("drop", "keep"),
            required=True,
            help="whether emails that were pending at that time are sent. Most have been sent since",
        )

    def handle(self, *, pending_mail: str, **_options: Any) -> None:
        try:
            others = engine().others_at_work()
        except BackupError as error:
            raise CommandError(str(error)) from error
        if others:
            raise CommandError(
                f"Something uses the database: {others}. Stop the web server, workers and beat first."
            )
        for what, number in settle("recovery to a point in time", keeps_mail=pending_mail == "keep").items():
            self.stdout.write(f"{what.replace('_', ' ')}: {number}")
