"""A database without personal data, made of a copy of one that has some, in one transaction."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import DataError, IntegrityError, connection, models, transaction

from core.audit import services as audit
from core.backups.services import engine
from core.db import triggers
from core.db.anonymization import Model, Replace, derived, emptied, preserved, replaced, replacements
from core.db.sort_keys import with_sort_keys
from core.web.progress import Progress

BATCH = 500


class AnonymizationError(Exception):
    """Reason why nothing was changed. The message is for the operator."""


def plan() -> dict[Model, dict[str, Replace]]:
    """Return the columns that are replaced, of each model. Raises AnonymizationError that names those which no
    declaration covers."""
    chosen: dict[Model, dict[str, Replace]] = {}
    problems = []
    for model in apps.get_models(include_auto_created=True):
        if model._meta.proxy or model in emptied:
            continue
        functions, missing = replacements(model)
        if missing or (functions and not is_own(model) and model not in {*preserved, *replaced}):
            problems.append(f"{model._meta.label}: {', '.join(missing or functions)}")
        chosen[model] = functions
    if problems:
        raise AnonymizationError(
            "It is not declared what these columns hold. Use empties, preserves or replaces of core.db.anonymization in"
            " a privacy.py:\n" + "\n".join(f"  {problem}" for problem in problems)
        )
    return chosen


def is_own(model: Model) -> bool:
    """Return whether the model is of an app of this project, and not of an installed package."""
    place = Path(model._meta.app_config.path).resolve()
    return place.is_relative_to(Path(settings.BASE_DIR).resolve()) and "site-packages" not in place.parts


def anonymize(stream: Any) -> dict[str, int]:
    """Replace or delete what the plan names, with its progress on the stream. Return the number of rows of each table.

    Raises AnonymizationError and BackupError; then nothing was changed.
    """
    chosen = plan()
    if others := engine().others_at_work():
        raise AnonymizationError(
            f"Something uses the database: {others}. Work on a copy that nothing else uses."
        )
    counts: dict[str, int] = {}
    with transaction.atomic():
        triggers.remove(connection)
        for model in emptied:
            counts[model._meta.label] = models.QuerySet(model).delete()[0]
        for model, functions in chosen.items():
            if functions:
                counts[model._meta.label] = replace_rows(model, functions, stream)
        for model, item in derived.items():
            for rows, _done in batches(item.rows()):
                for row in rows:
                    item.fill(row)
                models.QuerySet(model).bulk_update(rows, item.columns)
        connection.check_constraints()  # PostgreSQL makes no trigger while checks are deferred
        triggers.install(connection)
        audit.record("database.anonymized")
    reclaim()
    return counts


def replace_rows(model: Model, functions: dict[str, Replace], stream: Any) -> int:
    done = 0
    with Progress(stream, model._meta.label, models.QuerySet(model).count()) as show:
        for rows, done in batches(models.QuerySet(model).only("pk", *functions)):
            for number, row in enumerate(rows, start=done - len(rows) + 1):
                for column, function in functions.items():
                    if value := getattr(row, column):
                        setattr(row, column, function(number, value))
            write(model, rows, functions)
            show(done)
    return done


def write(model: Model, rows: list[Any], functions: dict[str, Replace]) -> None:
    try:
        with transaction.atomic():
            models.QuerySet(model).bulk_update(rows, with_sort_keys(model, functions))
    except (IntegrityError, DataError) as error:
        raise AnonymizationError(
            f"{model._meta.label} refuses the new values: {str(error).splitlines()[0]}\n"
            "Declare others by replaces of core.db.anonymization in a privacy.py."
        ) from error


def batches(rows: models.QuerySet[Any]) -> Iterator[tuple[list[Any], int]]:
    """Yield the rows in batches by their key, each with the number of rows so far."""
    done = 0
    after: dict[str, Any] = {}
    while batch := list(rows.filter(**after).order_by("pk")[:BATCH]):
        done += len(batch)
        after = {"pk__gt": batch[-1].pk}
        yield batch, done


def reclaim() -> None:
    """Remove the old rows from the files of the database, and from PostgreSQL's statistics."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("VACUUM (FULL, ANALYZE)")
            cursor.execute("RESET statement_timeout")
        else:
            cursor.execute("VACUUM")
