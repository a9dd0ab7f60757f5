from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig, apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from core.scaffold import app_list, record
from core.scaffold.removal import refuse_used, remove, rows_of


class Command(BaseCommand):
    help = "Remove a resource that startresource made: its tables in this database, its folder and its line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the name that startresource was given")
        parser.add_argument(
            "--with-changes", action="store_true", help="also if its files were changed since"
        )
        parser.add_argument("--with-rows", action="store_true", help="also if its tables have rows")
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be removed, and remove nothing"
        )

    def handle(
        self, name: str, *, with_changes: bool, with_rows: bool, dry_run: bool, **_options: Any
    ) -> None:
        config, made = resource_named(name)
        refuse_used(config)
        if not app_list.has(config.name):
            raise CommandError(f'{app_list.path().name} has no line `"{config.name}",`. Write it so first.')
        differences = record.differences(config.name, made)
        if differences and not with_changes:
            listed = "\n".join(f"  {line}" for line in differences)
            raise CommandError(f"Its files are not as they were made:\n{listed}\nUse --with-changes.")
        try:
            rows = dict(rows_of(config))
        except DatabaseError as error:
            raise CommandError(f"Its tables are not reachable: {error}\nNothing was changed.") from error
        if rows and not with_rows:
            listed = ", ".join(f"{table} {count}" for table, count in rows.items())
            raise CommandError(f"Its tables have rows ({listed}). Use --with-rows.")
        if dry_run:
            self.stdout.write(
                f'Would remove {config.name}/, its tables, and "{config.name}" from LOCAL_APPS.'
            )
            return
        remove(config, {app_list.path(): app_list.without_line(config.name)})
        self.stdout.write(
            self.style.SUCCESS(f"Removed {config.name}. In other databases its tables are still there.")
        )


def resource_named(name: str) -> tuple[AppConfig, Mapping[str, Any]]:
    """Return the app that was made under this name, and its record. Raises CommandError."""
    recorded = [(config, made) for config in apps.get_app_configs() if (made := record.read(config.name))]
    for config, made in recorded:
        if made["name"] == name:
            return config, made
    if cure := record.interrupted().get(name):
        raise CommandError(cure)
    known = ", ".join(made["name"] for _config, made in recorded) or "none"
    raise CommandError(f"startresource made no {name!r} here; it made {known}.")
