from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.backups import services as backups
from core.backups.catalogue import delete_expired, finished, place_of_backups
from core.backups.programs import BackupError, ended_cleanly


class Command(BaseCommand):
    help = (
        "Back up the database and the uploaded files of one moment, while the product runs. Then backups beyond"
        " BACKUP_KEEP and BACKUP_KEEP_DAYS are deleted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--to",
            default="",
            metavar="PLACE",
            help="a folder, or an alias of STORAGES. Default: BACKUP_FOLDER or BACKUP_S3_BUCKET",
        )
        parser.add_argument("--verify", action="store_true", help="verify it too, as `backup_verify` does")
        parser.add_argument("--list", action="store_true", help="only list the finished backups of the place")

    @ended_cleanly()
    def handle(self, *, to: str, verify: bool, **options: Any) -> None:
        try:
            storage = place_of_backups(to)
            if options["list"]:
                self.list_backups(storage)
                return
            backup, manifest = backups.make(storage)
            rows = sum(table["rows"] for table in manifest["tables"].values())
            self.stdout.write(
                f"{backup.name}: {rows} rows of {len(manifest['tables'])} tables and {len(manifest['files'])} files"
                f" in {manifest['seconds']} s"
            )
            if lost := manifest["lost"]:
                self.stderr.write(
                    f"Without {len(lost)} files that the storage has lost: {', '.join(lost[:5])}"
                )
            problem = backups.verify(backup)["problem"] if verify else ""
            for name in delete_expired(storage):
                self.stdout.write(f"deleted: {name}")
            if problem:
                raise CommandError(f"{backup.name} is not proven: {problem}")
        except BackupError as error:
            raise CommandError(str(error)) from error

    def list_backups(self, storage: Any) -> None:
        for backup in finished(storage):
            result = backup.verification()
            proof = (
                "not verified"
                if result is None
                else "verified"
                if result["ok"]
                else f"failed: {result['problem']}"
            )
            self.stdout.write(f"{backup.name}  {proof}")
