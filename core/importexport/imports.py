"""Imports: rows of an uploaded table become objects, batch by batch, each with its audit event.

A batch and the position after it are one transaction, so a worker that takes over goes on behind the last batch and
nothing is written twice. A row with an `id` changes that object, or creates it under this id; so the same file again
finds everything as it is.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DataError, IntegrityError, transaction
from django.http import Http404
from rest_framework.exceptions import APIException

from core.api.caller import view_for
from core.api.row_access import model_of
from core.audit import services as audit
from core.db.retries import repeated
from core.files import services as files
from core.files.models import StoredFile
from core.importexport.rows import BATCH_CHARACTERS, Importer, Problem, repeated_ids, weight
from core.importexport.table_rows import Row
from core.importexport.tabular import Table, open_table
from core.jobs.models import Job
from core.jobs.runner import Run
from core.web.errors import ApiError, bounded, translate
from core.web.text import MAX_SHOWN

BATCH = 200
MOST_ERRORS = 1000

Batch = list[tuple[int, Row]]


@dataclass
class Result:
    """As the job shows it."""

    dryRun: bool
    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    ignoredColumns: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    errorsTruncated: bool = False

    def add(self, outcome: "Outcome", rows: int) -> "Result":
        room = MOST_ERRORS - len(self.errors)
        return Result(
            dryRun=self.dryRun,
            rows=self.rows + rows,
            created=self.created + outcome.created,
            updated=self.updated + outcome.updated,
            unchanged=self.unchanged + outcome.unchanged,
            failed=self.failed + len({problem.row for problem in outcome.problems}),
            ignoredColumns=self.ignoredColumns,
            errors=[
                *self.errors,
                *(bounded(asdict(problem), MAX_SHOWN) for problem in outcome.problems[:room]),
            ],
            errorsTruncated=self.errorsTruncated or len(outcome.problems) > room,
        )


@dataclass
class Outcome:
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    problems: list[Problem] = field(default_factory=list)


def import_table(view_class: Any, run: Run) -> None:
    job = run.job
    user = job.user  # as the run has just read it
    importer = Importer(view_for(view_class, user, {}, "create"))
    source = source_of(job)
    total, importer.repeated = known_survey(job.position) or survey(source, importer)
    with closing(files.open_file(source)) as stream:
        table = open_table(stream, importer.known)
        if not job.position:
            ignored = importer.ignored(table.columns or ())
            job.position = {
                "survey": (total, list(importer.repeated.items())[: MOST_ERRORS + 1]),
                "result": asdict(Result(job.parameters["dryRun"], ignoredColumns=ignored)),
            }
        result = Result(**job.position["result"])
        for batch in batches(table, behind=result.rows):
            run.progress(result.rows, total)
            result = repeated(partial(take, batch, importer, run, result))
            if run.should_pause:
                return
    run.check()
    finish(view_class, run, user, result)


def source_of(job: Job) -> StoredFile:
    if job.source_file is None:
        raise ApiError("CONFLICT", message="The file of this import has been deleted.")
    return job.source_file


def survey(source: Any, importer: Importer) -> tuple[int, dict[int, int]]:
    """How many rows there are, and {row: the earlier row with the same id}. Raises BadTable before anything is
    written for a file that cannot be read to its end."""
    with closing(files.open_file(source)) as stream:
        table = open_table(stream, importer.known)
        return repeated_ids(table.rows)


def known_survey(position: dict[str, Any]) -> tuple[int, dict[int, int]] | None:
    """What the first slice has found, unless it was too much to write down."""
    total, repeated = position.get("survey", (0, []))
    return (total, dict(repeated)) if total and len(repeated) <= MOST_ERRORS else None


def batches(table: Table, behind: int) -> Iterator[Batch]:
    """No more than BATCH rows at a time, and fewer where they are long: it is all in memory."""
    rows = islice(table.rows, behind, None)
    batch: Batch = []
    characters = 0
    for number, row in rows:
        batch.append((number, row))
        characters += weight(row)
        if len(batch) == BATCH or characters > BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def take(batch: Batch, importer: Importer, run: Run, result: Result) -> Result:
    """One batch, its position with it. Raises LeaseLost and OwnerChanged, and then nothing of it was done."""
    operations, problems = importer.plan(batch)
    with transaction.atomic():
        try:
            outcome = attempt(importer, operations, dry=result.dryRun)
        except REFUSED:
            outcome = one_by_one(importer, batch, problems, dry=result.dryRun)
        else:
            outcome.problems = problems
        result = result.add(outcome, len(batch))
        run.checkpoint({**run.job.position, "result": asdict(result)})
    return result


# What refuses rows, and not the job: the database, a rule of the serializer or service, a permission on the object.
REFUSED = (IntegrityError, DataError, ApiError, APIException, PermissionDenied, Http404)


def attempt(importer: Importer, operations: list[Any], *, dry: bool) -> Outcome:
    """Write them, all or none. A dry run does the same and takes it back."""
    with transaction.atomic():
        outcome = Outcome(*importer.write(operations))
        transaction.set_rollback(dry)
    return outcome


def one_by_one(importer: Importer, batch: Batch, problems: list[Problem], *, dry: bool) -> Outcome:
    """The database has refused one of them: find out which. Each is looked at again, since somebody may have changed
    what it means."""
    outcome = Outcome(problems=[])
    for numbered_row in batch:
        operations, found = importer.plan([numbered_row])
        outcome.problems += found
        try:
            alone = attempt(importer, operations, dry=dry)
        except REFUSED as error:
            outcome.problems += problems_of(numbered_row[0], error)
        else:
            outcome.created += alone.created
            outcome.updated += alone.updated
            outcome.unchanged += alone.unchanged
    return outcome


def problems_of(row: int, error: Exception) -> list[Problem]:
    refusal = translate(error) or ApiError("CONFLICT")
    if refusal.status >= 500:
        raise error
    if refusal.details:
        return [
            Problem(row, field_of(row, item["field"]), item["code"], item["message"])
            for item in refusal.details
        ]
    return [Problem(row, None, refusal.code.lower(), refusal.message)]


def field_of(row: int, field: str | None) -> str | None:
    """Return the name of a field as the file has it: bulk operations name it by its operation, which is the row."""
    prefix = f"operations.{row}"
    return field.removeprefix(prefix).removeprefix(".") or None if field else None


def finish(view_class: Any, run: Run, user: Any, result: Result) -> None:
    job = run.job
    with transaction.atomic():
        if result.dryRun:  # the file waits to be committed
            run.succeed(asdict(result))
            return
        run.succeed(asdict(result), source_file=None)
        files.discard(source_of(job))
        counts = ("created", "updated", "unchanged", "failed")
        changes = {name: [None, getattr(result, name)] for name in counts}
        event = f"{model_of(view_class)._meta.model_name}.imported"
        audit.record(event, actor_id=user.pk, target=job, changes=changes)
