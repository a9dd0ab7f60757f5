import io
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from uuid_utils.compat import uuid7

from core.files import services as files
from core.importexport import imports as importing
from core.importexport.tabular import MAX_OBJECT_LENGTH
from core.jobs import services as jobs
from core.jobs.models import Job
from core.tests.job_results import finished
from core.web.errors import ApiError
from resources.tests.factories import ResourceFactory
from resources.tests.importing import counts, imported, titles, upload, wrong

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 2)


def rows_of(number):
    return "title\n" + "".join(f"Row {n:03}\n" for n in range(number))


def test_a_cancelled_import_reports_its_progress(owner, small_batches, monkeypatch):
    response = upload(owner, rows_of(10))
    write_batch = importing.write_batch

    def cancelling(batch, importer, run, result):
        result = write_batch(batch, importer, run, result)
        if result.rows == 4:
            assert owner.delete(response["Location"]).status_code == 204
            run.cancelled = True  # as the next beat would see
        return result

    monkeypatch.setattr(importing, "write_batch", cancelling)
    job = finished(owner, response)

    assert (job["status"], job["result"]["rows"], counts(job["result"])) == ("cancelled", 4, (4, 0, 0, 0))
    assert len(titles()) == 4


def test_an_interrupted_import_continues_after_its_last_batch(owner, small_batches, monkeypatch):
    """A worker is killed between two batches, in one, and before its position is written."""
    response = upload(owner, rows_of(9))
    deaths = iter([4, 4, 8])
    dying = [next(deaths)]
    checkpoint = jobs.Run.checkpoint

    def deadly(run, position):
        checkpoint(run, position)
        if dying and position["result"]["rows"] == dying[0]:
            dying[:] = [following for following in [next(deaths, None)] if following]
            raise KeyboardInterrupt  # neither caught nor written down, as a kill is not

    monkeypatch.setattr(jobs.Run, "checkpoint", deadly)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            jobs.run_due()
        Job.objects.update(lease_until=None)  # it has expired
    job = finished(owner, response)

    assert (job["status"], counts(job["result"])) == ("succeeded", (9, 0, 0, 0))
    assert titles() == [f"Row {n:03}" for n in range(9)]


def test_a_long_import_runs_in_slices(owner, small_batches, monkeypatch):
    monkeypatch.setattr("core.jobs.runner.SLICE_SECONDS", 0)
    response = upload(owner, rows_of(7))

    assert jobs.run_due() == 5  # four batches, and one to finish
    job = owner.get(response["Location"]).json()["data"]
    assert (job["status"], counts(job["result"])) == ("succeeded", (7, 0, 0, 0))
    assert titles() == [f"Row {n:03}" for n in range(7)]


def test_of_a_batch_that_the_database_refuses_only_the_failing_row_is_lost(owner, monkeypatch):
    """Let another request create a row with an id between the check and the write."""
    keys = [uuid7() for _ in range(3)]
    body = "id,title\n" + "".join(f"{key},Row {n}\n" for n, key in enumerate(keys))
    existing = importing.Importer.existing
    calls = []

    def blind(importer, requested):
        calls.append(requested)
        return (set(), set()) if len(calls) == 1 else existing(importer, requested)

    ResourceFactory(title="Somebody's").__class__.objects.update(id=keys[1])
    monkeypatch.setattr(importing.Importer, "existing", blind)
    result = imported(owner, body)

    assert wrong(result) == [(2, "id", "conflict")]
    assert titles() == ["Row 0", "Row 2", "Somebody's"]


def test_a_refusal_of_a_service_is_the_error_of_its_row(owner, monkeypatch):
    run_operations = importing.Importer.write

    def refusing(importer, operations):
        if any(item.values.get("title") == "Bad" for item in operations):
            raise ApiError("CONFLICT", message="No such title, please.")
        return run_operations(importer, operations)

    monkeypatch.setattr(importing.Importer, "write", refusing)
    result = imported(owner, "title\nGood\nBad\nFine\n")

    assert wrong(result) == [(2, None, "conflict")]
    assert titles() == ["Fine", "Good"]


def test_many_errors_are_counted_and_the_first_listed(owner, monkeypatch):
    monkeypatch.setattr(importing, "MAX_ERRORS", 5)
    result = imported(owner, "title,status\n" + "x,lost\n" * 7)

    assert (len(result["errors"]), result["errorsTruncated"], result["failed"]) == (5, True, 7)


def test_long_texts_are_shortened_in_messages_and_names(owner):
    long = "x" * 120_000
    body = f"title,status,{long[:5000]}\n" + f"One,{long},\n" * 50
    result = imported(owner, body)

    assert result["failed"] == len(result["errors"]) == 50
    message = result["errors"][0]["message"]
    assert message.startswith('"' + "x" * 90)
    assert (
        max(map(len, [*result["ignoredColumns"], *(error["message"] for error in result["errors"])])) <= 200
    )
    assert len(json.dumps(Job.objects.get().position)) < 30_000


def test_the_queries_do_not_grow_with_the_rows_of_a_batch(owner):
    def cost(number):
        upload(owner, rows_of(number))
        with CaptureQueriesContext(connection) as queries:
            jobs.run_due()
        return len(queries)

    cost(1)
    assert cost(150) <= cost(3) + 5  # SQLite takes no more than 999 values in one statement


def test_rows_of_a_file_are_read_in_pieces(owner):
    read = []

    class Watched(io.BytesIO):
        def read(self, size=-1):
            read.append(size)
            return super().read(size)

    row = b'{"title": "' + b"x" * 180 + b'"},'
    table = importing.open_table(Watched(b"[" + row * 50_000 + b"{}]"), {"title"})
    next(table.rows)
    assert 0 < sum(read) < 3 * MAX_OBJECT_LENGTH
    assert len(list(table.rows)) == 50_000
    assert all(0 < size <= MAX_OBJECT_LENGTH for size in read)


def test_a_queued_job_has_its_file(owner):
    job = Job.objects.get(pk=upload(owner, "title\nOne\n").json()["data"]["id"])

    with files.open_file(job.source_file) as stored:
        assert stored.read() == b"title\nOne\n"
    assert job.source_file.state == "in_use"


@pytest.mark.parametrize("most", [0, 1000])
def test_repeated_ids_are_detected_in_every_slice(owner, small_batches, monkeypatch, most):
    monkeypatch.setattr("core.jobs.runner.SLICE_SECONDS", 0)
    monkeypatch.setattr(importing, "MAX_ERRORS", most)
    keys = [uuid7() for _ in range(3)]
    body = "id,title\n" + "".join(f"{key},x\n" for key in [*keys, *keys])
    response = upload(owner, body)
    jobs.run_due()

    assert counts(owner.get(response["Location"]).json()["data"]["result"]) == (3, 0, 0, 3)
