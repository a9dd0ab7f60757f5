"""System check of `check --deploy`: migrations leave the processes of the release before able to serve.

While a release is rolled out, they go on with the new tables. docs/migrations.md states the rules.
"""

import sysconfig
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.models import ManyToManyField

REMOVALS = (
    operations.RemoveField,
    operations.DeleteModel,
    operations.RenameField,
    operations.RenameModel,
    operations.AlterModelTable,
)


@register(Tags.models, deploy=True)
def check_migrations(**_options: Any) -> list[CheckMessage]:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return [
        problem
        for (label, _name), migration in sorted(loader.disk_migrations.items())
        if is_of_project(label)
        for problem in problems_of(migration)
    ]


def is_of_project(label: str) -> bool:
    """Return whether the app is in this folder, and not an installed package."""
    path = apps.get_app_config(label).path
    return path.startswith(f"{settings.BASE_DIR}/") and not path.startswith(sysconfig.get_path("purelib"))


def problems_of(migration: Migration) -> Iterator[CheckMessage]:
    """Yield a warning for each operation that the processes of the release before do not survive.

    A migration whose `is_contraction` is true may remove: its author states that no process uses what is removed.
    """
    done = [
        part
        for operation in migration.operations
        for part in getattr(operation, "database_operations", [operation])  # of SeparateDatabaseAndState
    ]
    made = {operation.name_lower for operation in done if isinstance(operation, operations.CreateModel)}
    for operation in done:
        if getattr(operation, "model_name_lower", None) in made:
            continue
        if isinstance(operation, REMOVALS) and not getattr(migration, "is_contraction", False):
            yield warning(
                migration,
                operation,
                "the code of the release before still uses it.",
                "Remove it from the state in one release, and from the database in the next (docs/migrations.md);"
                " or stop all processes meanwhile, and set `is_contraction = True`.",
            )
        elif isinstance(operation, operations.AddField) and not is_optional(operation.field):
            yield warning(
                migration,
                operation,
                "an INSERT of the release before has no value for it.",
                "Give the field a `db_default`, or `null=True`.",
            )
        elif type(operation) is operations.AddIndex:
            yield warning(
                migration,
                operation,
                "writes to the table wait until the index is built.",
                "Use `core.db.indexes.AddIndexOnline` in a migration with `atomic = False`.",
            )


def is_optional(field: Any) -> bool:
    return field.null or field.has_db_default() or field.generated or isinstance(field, ManyToManyField)


def warning(migration: Migration, operation: Any, reason: str, hint: str) -> CheckMessage:
    text = f"{migration}: {operation.describe()}: {reason}"
    return CheckWarning(text, hint=hint, id="core.W002")
