from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from core.backups import services as backups
from core.backups.catalogue import find, place_of_backups
from core.backups.programs import BackupError, ended_cleanly
from core.web.prompts import require_terminal, typed


class Command(BaseCommand):
    help = (
        "Replace the database and the uploaded files by those of a backup. Stop the web server, workers and beat first."
        " On PostgreSQL it refuses while others are connected, except monitoring. On SQLite it notices only what uses"
        " the file at that moment. Afterwards all sessions have ended, and links in emails are void."
    )
    requires_system_checks: Any = ()  # they may read the database, which may be empty or damaged

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="of the backup; `backup --list` prints them")
        parser.add_argument("--from", default="", dest="place", metavar="PLACE", help="as --to of `backup`")
        parser.add_argument(
            "--noinput", action="store_false", dest="interactive", help="do not require the name"
        )
        parser.add_argument(
            "--pending-mail",
            choices=("drop", "keep"),
            help="whether emails that were pending in the backup are sent. Required with --noinput: most have been sent"
            " since, and would be sent twice",
        )

    @ended_cleanly()
    def handle(self, *, name: str, place: str, interactive: bool, **options: Any) -> None:
        pending_mail = options["pending_mail"]
        if not interactive and pending_mail is None:
            raise CommandError("--noinput needs --pending-mail drop or --pending-mail keep.")
        if interactive:
            require_terminal()
        if pending_mail is None:
            pending_mail = typed(input, "Emails that were pending in the backup: drop or keep? ").strip()
            if pending_mail not in {"drop", "keep"}:
                raise CommandError("Cancelled: that is neither drop nor keep.")
        try:
            backup = find(place_of_backups(place), name)
            confirm = partial(self.confirm, name) if interactive else lambda _manifest: None
            settled = backups.restore(backup, keeps_mail=pending_mail == "keep", confirm=confirm)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Restored {name}.")
        for what, number in settled.items():
            self.stdout.write(f"  {what.replace('_', ' ')}: {number}")
        self.stdout.write(
            "Start the product. `manage.py sweep_files` deletes files that are younger than the backup."
        )

    def confirm(self, name: str, manifest: dict[str, Any]) -> None:
        database = connection.settings_dict["NAME"]
        self.stdout.write(
            f"The backup is whole: {manifest['madeAt']}, release {manifest['version']}, {len(manifest['files'])} files."
        )
        if (
            typed(input, f"Everything in {database} will be replaced. Type the name of the backup: ").strip()
            != name
        ):
            raise CommandError("Cancelled: that is another name. Nothing was changed.")
