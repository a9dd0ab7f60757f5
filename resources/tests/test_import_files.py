import csv
import io
import sys

import pytest
from uuid_utils.compat import uuid7

from core.files.models import StoredFile
from core.importexport.csv_tables import MAX_HEADER_LENGTH, BadTable
from core.importexport.tabular import open_table
from core.jobs import services as jobs
from core.jobs.models import Job
from core.tests.answers import code, problems
from core.tests.job_results import finished
from core.web.text import MAX_SHOWN
from resources.models import Resource
from resources.tests.importing import URL, counts, imported, titles, upload

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"PK\x03\x04rest of a zip", (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b"\x1f\x8b\x08\x00", (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("title\nOne\n".encode("utf-16-le"), (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b'{"title": "One"}', (400, "VALIDATION_ERROR")),
        (b"", (400, "VALIDATION_ERROR")),
        (b"\xef\xbb\xbf  \n", (400, "VALIDATION_ERROR")),
        (b"name,colour\nOne,red\n", (400, "VALIDATION_ERROR")),
        (b"title,title\nOne,Two\n", (400, "VALIDATION_ERROR")),
        (b"title," + b",".join(b"c%d" % n for n in range(100)) + b"\n", (400, "VALIDATION_ERROR")),
        ("titlé\n".encode("latin-1"), (400, "VALIDATION_ERROR")),
        (b'"title\n', (400, "VALIDATION_ERROR")),
        (b"title,TITLE\nOne,Two\n", (400, "VALIDATION_ERROR")),
        (b"sep=;\n", (400, "VALIDATION_ERROR")),
        (b",,,\n\n", (400, "VALIDATION_ERROR")),
        (b"title" + b",a" * 4_000_000 + b"\n", (400, "VALIDATION_ERROR")),
        (b'"ti\ntle"' + b",a" * 4_000_000 + b"\n", (400, "VALIDATION_ERROR")),
        (b"title," + b"x" * 2_000_000 + b"\n", (400, "VALIDATION_ERROR")),
        (b'title,"' + b"x\n" * 1_000_000 + b'"\n', (400, "VALIDATION_ERROR")),
        (b"sep=;\n" + b"\n" * 9_000_000, (413, "PAYLOAD_TOO_LARGE")),
        (
            b"sep=" + b"," * 50_000 + b"x\n",
            (400, "VALIDATION_ERROR"),
        ),  # for minutes, if the commas were divided
    ],
)
def test_a_file_that_is_no_table_is_refused_by_the_request(owner, body, expected):
    response = upload(owner, body)

    assert code(response) == expected
    assert not Job.objects.exists()
    assert not StoredFile.objects.exists()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"title\n" + b"Good\n" * 20_000 + b"\xff\xfe\n", "UTF-8"),
        (b'title\nGood\n"open\n', "row 2"),
        (b'title\nGood\n\n"two\nlines"\n,"open', "row 4"),
        (b'title\nGood\n"open' + b"x\n" * 200_000, "row 2"),
        (b'[{"title": "Good"}, {"title": ', "JSON"),
        (b'[{"title": "Good"} {"title": "Bad"}]', "JSON"),
        (b'[{"title": "Good"}] []', "JSON"),
        (b'[{"title": NaN}]', "JSON"),
        (b'[{"title": "Good", "title": "Bad"}]', "JSON"),
        (b'[{"title": "Good"}, {"content": "' + b"x" * 1_100_000 + b'"}]', "JSON"),
        (b'[{"title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]", "JSON"),
    ],
)
def test_a_file_that_breaks_off_fails_the_job_and_stores_nothing(owner, body, problem):
    job = finished(owner, upload(owner, body))
    assert (job["status"], job["result"], titles()) == ("failed", None, [])
    assert job["error"]["code"] == "VALIDATION_ERROR"
    assert problem in job["error"]["message"]


def test_a_file_with_too_many_rows_fails(owner, monkeypatch):
    monkeypatch.setattr("core.importexport.tabular.MAX_ROWS", 3)

    assert counts(imported(owner, "title\na\nb\nc\n")) == (3, 0, 0, 0)
    job = finished(owner, upload(owner, "title\na\nb\nc\nd\n"))
    assert (job["status"], job["error"]["code"]) == ("failed", "PAYLOAD_TOO_LARGE")
    assert Resource.objects.count() == 3


def test_a_file_too_large_is_refused(owner, settings):
    settings.MAX_UPLOAD_BYTES = 1000

    assert code(upload(owner, "title\n" + "x" * 1000)) == (413, "PAYLOAD_TOO_LARGE")
    assert not StoredFile.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "file"),
        ({"file": "text"}, "file"),
        ({"dryRunId": "x"}, "dryRunId"),
        ({"dryRun": "maybe"}, "dryRun"),
        ({"dryRunId": str(uuid7()), "dryRun": True}, "dryRun"),
    ],
)
def test_an_invalid_request_names_the_field(owner, body, field):
    assert field in problems(owner.post(URL, body))
    assert field in problems(owner.post(URL, body, format="multipart"))


def test_a_file_and_a_dry_run_exclude_each_other(owner):
    assert problems(upload(owner, "title\nOne\n", dryRunId=str(uuid7()))) == {"dryRunId": "invalid"}


def test_the_same_key_imports_once(owner):
    first, second = (upload(owner, "title\nOne\n", HTTP_IDEMPOTENCY_KEY="once") for _ in range(2))
    jobs.run_due()

    assert first.json() == second.json()
    assert (titles(), Job.objects.count()) == (["One"], 1)
    assert code(upload(owner, "title\nTwo\n", HTTP_IDEMPOTENCY_KEY="once"))[0] == 422


@pytest.mark.parametrize(
    ("body", "name", "stored_name"),
    [("title\nOne\n", "rows.bat", "rows.csv"), ("[]", "rows.js", "rows.json")],
)
def test_the_file_is_stored_under_a_name_of_its_type(owner, body, name, stored_name):
    upload(owner, body, name)

    assert StoredFile.objects.get().filename == Job.objects.get().parameters["filename"] == stored_name


def test_the_file_is_deleted_when_its_rows_are_stored(owner):
    job = Job.objects.get(pk=finished(owner, upload(owner, "title\nOne\n"))["id"])

    assert job.source_file is None
    assert StoredFile.objects.get().state == "deleting"


def test_a_header_that_is_too_long_is_refused_before_it_is_parsed(monkeypatch):
    """The test counts the characters that reach the reader of CSV."""
    characters = []
    original = csv.reader

    def counting(lines, **kwargs):
        return original((characters.append(len(line)) or line for line in lines), **kwargs)

    monkeypatch.setattr("csv.reader", counting)
    for head in (b"title", b'"ti\ntle"'):
        with pytest.raises(BadTable):
            open_table(io.BytesIO(head + b",a" * 1_000_000 + b"\nOne\n"), {"title"})

    assert sum(characters) < 10 * MAX_HEADER_LENGTH


def test_a_long_name_of_a_column_is_shortened_in_the_error(owner):
    [name] = imported(owner, "title," + "x" * 60_000 + "\nOne,1\n")["ignoredColumns"]

    assert name == "x" * (MAX_SHOWN - 1) + "…"


def test_a_long_invalid_choice_is_shortened_in_the_error(owner):
    [error] = imported(owner, "title,status\nOne," + "x" * 60_000 + "\n")["errors"]

    assert (error["field"], error["code"], len(error["message"])) == ("status", "invalid_choice", MAX_SHOWN)


def test_a_first_row_may_be_longer_than_a_header(owner):
    assert counts(imported(owner, "title;content\nOne;" + "x" * 90_000 + "\nTwo;\n")) == (2, 0, 0, 0)


def test_empty_rows_are_read_up_to_the_limit_of_spreadsheets(owner):
    job = finished(owner, upload(owner, b"title\n" + b"\n" * 9_000_000 + b"Last\n"))

    assert (job["status"], job["error"]["code"]) == ("failed", "PAYLOAD_TOO_LARGE")
    assert "1048576" in job["error"]["message"]


def test_white_space_in_json_is_skipped_in_one_step():
    """The test counts the lines of Python that run."""
    lines = 0

    def count(_frame, event, _argument):
        nonlocal lines
        lines += event == "line"
        return count

    table = open_table(io.BytesIO(b"[" + b" \n" * 50_000 + b'{"title": "One"}]'), set())
    before = sys.gettrace()
    sys.settrace(count)
    try:
        rows = list(table.rows)
    finally:
        sys.settrace(before)

    assert rows == [(1, {"title": "One"})]
    assert lines < 10_000
