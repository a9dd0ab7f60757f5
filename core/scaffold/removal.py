"""The removal of an app: what refuses it, its files and its tables."""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from core.scaffold import record
from core.scaffold.programs import manage_with
from core.scaffold.writing import replaced


def refuse_used(config: AppConfig) -> None:
    """Raise CommandError where another app needs this one. `migrate zero` would take the tables of a migration that
    depends on these, and an import would fail.
    """
    migrations = MigrationLoader(None).disk_migrations
    users = {
        f"{app}/migrations/{name}.py"
        for (app, name), migration in migrations.items()
        if app != config.label and any(parent == config.label for parent, _name in migration.dependencies)
    }
    users |= set(importing(config.name))
    if users:
        raise CommandError(f"{', '.join(sorted(users))} refer to it. Remove what refers to it first.")


def importing(app: str) -> Iterator[str]:
    """Yield the files of other apps that import this one."""
    statement = re.compile(rf"^\s*(from|import) {app}\b", re.MULTILINE)
    base = Path(settings.BASE_DIR)
    others = {Path(config.path) for config in apps.get_app_configs() if config.name != app}
    for folder in {base / "config", *(path for path in others if path.parent == base)}:
        for path in folder.rglob("*.py"):
            if statement.search(path.read_text()):
                yield str(path.relative_to(base))


def tables_of(config: AppConfig) -> list[str]:
    """Return the tables of the app that this database has."""
    existing = set(connection.introspection.table_names())
    models = config.get_models(include_auto_created=True)
    return [model._meta.db_table for model in models if model._meta.db_table in existing]


def rows_of(config: AppConfig) -> Iterator[tuple[str, int]]:
    """Yield the tables of the app that have rows, with their number."""
    existing = tables_of(config)
    for model in config.get_models():
        if model._meta.db_table in existing and (count := model._base_manager.count()):
            yield model._meta.db_table, count


def remove(config: AppConfig, texts: Mapping[Path, str]) -> None:
    """Write the texts, and remove the app with its tables in this database; or leave all as it was.

    The tables are last: no step brings their rows back. Raises CommandError.
    """
    folder = record.folder_of(config.name)
    if folder.is_symlink():
        raise CommandError(f"{folder.name} is a symbolic link. Put the folder itself in its place first.")
    if cure := record.cure_of(config.name):
        raise CommandError(cure)
    try:
        with replaced(texts, folder) as away:
            remove_tables(config, away)
    except (OSError, DatabaseError, CommandError) as error:
        raise CommandError(f"{error}\nNothing was changed.") from error
    try:
        shutil.rmtree(away.parent)
    except OSError as error:
        raise CommandError(
            f"{config.name} was removed with its tables, but {away.parent} could not be deleted: {error}\n"
            "Delete this folder."
        ) from error


def remove_tables(config: AppConfig, folder: Path) -> None:
    """Remove the tables of the app, which is in this folder, with its content types and their permissions."""
    if any(app == config.label for app, _name in MigrationRecorder(connection).applied_migrations()):
        manage_with(folder, "migrate", config.label, "zero", "--verbosity", "0")
    if ContentType._meta.db_table in connection.introspection.table_names():
        with transaction.atomic():
            ContentType.objects.filter(app_label=config.label).delete()
