"""Imports: the rows of an uploaded table are written as objects, batch by batch, each with its audit event.

A batch and the position after it are one transaction, so the next worker continues after the last batch and
nothing is written twice. A row with an `id` changes that object, or creates it under this id; so the same file again
changes nothing.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DataError, IntegrityError, transaction
from django.http import Http404
from rest_framework.exceptions import APIException

from core.audit import services as audit
from core.db.retries import repeated
from core.files import services as files
from core.files.models import StoredFile
from core.importexport.csv_tables import Row
from core.importexport.rows import Importer, Problem, problems_of, repeated_ids
from core.importexport.tabular import Table, open_table
from core.jobs.models import Job
from core.jobs.runner import Run
from core.jobs.services import view_of_job
from core.web.errors import ApiError, bounded, translate
from core.web.text import MAX_SHOWN

BATCH = 200
BATCH_CHARACTERS = 1_000_000
MAX_ERRORS = 1000
COUNTS = ("created", "updated", "unchanged", "failed")

Batch = list[tuple[int, Row]]


@dataclass
class Result:
    """The result of the job, as its response shows it."""

    dryRun: bool
    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    ignoredColumns: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    errorsTruncated: bool = False

    def add(self, rows: int, written: tuple[int, ...], problems: list[Problem]) -> "Result":
        """Return the result with one batch more. `written` are its created, updated and unchanged rows."""
        counts = (*written, len({problem["row"] for problem in problems}))
        room = MAX_ERRORS - len(self.errors)
        return replace(
            self,
            rows=self.rows + rows,
            errors=[*self.errors, *(bounded(problem, MAX_SHOWN) for problem in problems[:room])],
            errorsTruncated=self.errorsTruncated or len(problems) > room,
            **{name: getattr(self, name) + count for name, count in zip(COUNTS, counts, strict=True)},
        )


def import_table(run: Run) -> None:
    job = run.job
    user = job.user  # as the run has just read it
    view = view_of_job(job, user)
    view.check_permissions(view.request)
    importer = Importer(view)
    source = source_of(job)
    with closing(
        files.open_file(source)
    ) as stream:  # raises BadTable for an incomplete file, before any write
        total, importer.repeated = repeated_ids(open_table(stream, importer.known).rows)
    with closing(files.open_file(source)) as stream:
        table = open_table(stream, importer.known)
        if not job.position:
            ignored = importer.ignored(table.columns or ())
            job.position = {"result": asdict(Result(job.parameters["dryRun"], ignoredColumns=ignored))}
        result = Result(**job.position["result"])
        for batch in batches(table, start=result.rows):
            run.progress(result.rows, total)
            result = repeated(partial(write_batch, batch, importer, run, result))
            if run.should_pause:
                return
    run.check()
    finish(view.model, run, user, result)


def source_of(job: Job) -> StoredFile:
    if job.source_file is None:
        raise ApiError("CONFLICT", message="The file of this import has been deleted.")
    return job.source_file


def batches(table: Table, start: int) -> Iterator[Batch]:
    """Yield batches of at most BATCH rows, and fewer if they are long, because a batch is in memory."""
    batch: Batch = []
    characters = 0
    for number, row in islice(table.rows, start, None):
        batch.append((number, row))
        if isinstance(row, dict):
            characters += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(batch) == BATCH or characters > BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def write_batch(batch: Batch, importer: Importer, run: Run, result: Result) -> Result:
    """Write one batch, and the position after it. Raises LeaseLost and OwnerChanged, and then nothing was written."""
    operations, problems = importer.plan(batch)
    with transaction.atomic():
        try:
            written = attempt(importer, operations, dry=result.dryRun)
        except REFUSED:
            written, problems = one_by_one(importer, batch, dry=result.dryRun)
        result = result.add(len(batch), written, problems)
        run.checkpoint({"result": asdict(result)})
    return result


# Errors of rows, and not of the job: from the database, serializer, service or permission on the object.
REFUSED = (IntegrityError, DataError, ApiError, APIException, PermissionDenied, Http404)


def attempt(importer: Importer, operations: list[Any], *, dry: bool) -> tuple[int, ...]:
    """Write all or none. A dry run does the same and rolls it back."""
    with transaction.atomic():
        written = importer.write(operations)
        transaction.set_rollback(dry)
    return written


def one_by_one(importer: Importer, batch: Batch, *, dry: bool) -> tuple[tuple[int, ...], list[Problem]]:
    """Write each row on its own, to find the refused one. Each is planned again, because its object may have changed
    since."""
    total: tuple[int, ...] = (0, 0, 0)
    problems: list[Problem] = []
    for numbered_row in batch:
        operations, invalid = importer.plan([numbered_row])
        problems += invalid
        try:
            written = attempt(importer, operations, dry=dry)
        except REFUSED as error:
            refusal = translate(error) or ApiError("CONFLICT")
            if refusal.status >= 500:
                raise
            problems += problems_of(numbered_row[0], refusal)
        else:
            total = tuple(map(sum, zip(total, written, strict=True)))
    return total, problems


def finish(model: Any, run: Run, user: Any, result: Result) -> None:
    job = run.job
    with transaction.atomic():
        if result.dryRun:  # the file remains until it is committed
            run.succeed(asdict(result))
            return
        run.succeed(asdict(result), source_file=None)
        files.schedule_deletion(source_of(job))
        changes = {name: [None, getattr(result, name)] for name in COUNTS}
        audit.record(f"{model._meta.model_name}.imported", actor_id=user.pk, target=job, changes=changes)
