from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from core.backups.anonymization import AnonymizationError, anonymize, plan
from core.backups.programs import BackupError
from core.db.anonymization import emptied


class Command(BaseCommand):
    help = (
        "Replace everything in the database that may be about a person, for a staging or test system. Run it on a copy:"
        " it cannot be undone. Without --confirm it prints what it would do. Files in the storage are not changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--confirm", default="", metavar="NAME", help="name of the database, which is changed for good"
        )

    def handle(self, *, confirm: str, **_options: Any) -> None:
        name = str(connection.settings_dict["NAME"])
        if confirm not in {"", name}:
            raise CommandError(f"--confirm: the database is {name}. Nothing was changed.")
        try:
            if not confirm:
                self.show(name)
                return
            counts = anonymize(self.stderr)
        except (AnonymizationError, BackupError) as error:
            raise CommandError(str(error)) from error
        for table, number in counts.items():
            self.stdout.write(f"  {table}: {number}")
        self.stdout.write("No password is valid any more: manage.py createsuperuser, or changepassword.")

    def show(self, name: str) -> None:
        for model, functions in plan().items():
            if functions:
                self.stdout.write(f"{model._meta.label}: replaces {', '.join(functions)}")
        for model in emptied:
            self.stdout.write(f"{model._meta.label}: deletes all rows")
        self.stdout.write(f"Nothing was changed. To do it: manage.py anonymize --confirm {name}")
