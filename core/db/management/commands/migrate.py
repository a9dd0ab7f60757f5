"""Django's `migrate`, one at a time: of several that start at once one migrates, and the others wait."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as Migrate
from django.db import connections

from core.db.migration_lock import MigrationLockError, migration_lock

LOCK_TIMEOUT = 600


class Command(Migrate):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-timeout",
            type=int,
            default=LOCK_TIMEOUT,
            metavar="SECONDS",
            help=f"How long to wait for another migrate on this database. Default: {LOCK_TIMEOUT}.",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Take the lock before the system checks: they open the database already."""
        timeout: int = options["lock_timeout"]
        if timeout < 0:
            raise CommandError("--lock-timeout must be 0 or more.")
        wait = f"Another migrate is running on this database. Waiting for it up to {timeout} seconds."
        try:
            with migration_lock(connections[options["database"]], timeout, lambda: self.stderr.write(wait)):
                return super().execute(*args, **options)
        except MigrationLockError as error:
            raise CommandError(str(error)) from error
