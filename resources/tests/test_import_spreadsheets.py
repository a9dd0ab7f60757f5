"""CSV as spreadsheets and people write it."""

import csv
import io

import pytest

from core.importexport.csv_tables import MAX_CELL_LENGTH
from core.tests.job_results import content, finished
from resources.models import Resource
from resources.tests.factories import ResourceFactory
from resources.tests.importing import counts, imported, titles, wrong

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]

# --- the dialect ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "sep=;\ntitle;status\nOne;draft\n",
        "\ufeffSEP=;\r\ntitle;status\r\nOne;draft\r\n",
        '"sep=;"\ntitle;status\nOne;draft\n',
        "sep=|\ntitle|status\nOne|draft\n",
        "sep=\t\ntitle\tstatus\nOne\tdraft\n",
        "title;Notes, other\nOne;a, b\n",
        "title\rOne\r",
        "\n\n,,\ntitle,status\nOne,draft\n",
        "title,status,,\nOne,draft,,\n",
        "title,status\nOne,draft,,,\n",
        "title," + "," * 200 + "\nOne," + "," * 200 + "\n",
        "title,Notes,Notes\nOne,a,b\n",
        '"sep=;",,\ntitle,content,status\nOne,"a;b",draft\n',
        '"sep=,";;\r\ntitle;content;status\r\nOne;"a,b";draft\r\n',
        "sep=;;\ntitle;status\nOne;draft\n",
        "\ufeff\ufefftitle,status\nOne,draft\n",
        '\u200b\ufeff"title",status\nOne,draft\n',
        '\ufeff\ufeff[{"title": "One"}]',
        "title,status,,\n , ,,\n\u00a0,\u00a0\nOne,draft, ,\u00a0\n\u00a0\n",
    ],
)
def test_it_ignores_cells_around_the_table(owner, body):
    result = imported(owner, body)

    assert (result["rows"], counts(result), titles()) == (1, (1, 0, 0, 0), ["One"])


def test_two_byte_order_marks_of_utf_16_are_read_as_one(owner):
    for order in ("le", "be"):
        imported(owner, f"\ufeff\ufefftitle,status\nOne {order},draft\n".encode(f"utf-16-{order}"))

    assert titles() == ["One be", "One le"]


def test_a_value_behind_the_last_column_is_an_error_of_its_row(owner):
    result = imported(owner, "title,content,,,\nA,B,,,\nH,I,,x\nJ,K,x,,\n,\n")

    assert (titles(), wrong(result)) == (["A"], [(2, None, "cells"), (3, None, "cells")])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("delimiter", ["\t", ";", ","])
def test_it_reads_the_encodings_of_excel(owner, encoding, delimiter):
    rows = ["title,content", "Größe,名前", "Ω,x"]
    body = "\r\n".join(row.replace(",", delimiter) for row in rows).encode(encoding)

    assert counts(imported(owner, body)) == (2, 0, 0, 0)
    assert Resource.objects.get(title="Größe").content == "名前"


@pytest.mark.parametrize(
    "header", ["TITLE,Status", " title ,STATUS", '"title\r\n","\nSta\ntus"', "Title,status"]
)
def test_a_header_matches_in_any_case_and_with_line_breaks(owner, header):
    result = imported(owner, f"{header},Color\nOne,published,red\n")

    assert (counts(result), result["ignoredColumns"]) == ((1, 0, 0, 0), ["Color"])
    assert Resource.objects.get().status == "published"


@pytest.mark.parametrize("status", ["Published", "PUBLISHED", " published "])
def test_choices_match_in_any_case(owner, status):
    assert counts(imported(owner, f"title,status\nOne,{status}\n")) == (1, 0, 0, 0)
    assert Resource.objects.get().status == "published"


# --- the rows -------------------------------------------------------------------------------------


def test_empty_rows_are_skipped_but_numbered(owner):
    result = imported(owner, "title,status\n\nOne,\n,,\n  \n,\n,draft\nTwo,lost\n\n")

    assert (result["rows"], counts(result)) == (3, (1, 0, 0, 2))
    assert wrong(result) == [(6, "title", "blank"), (7, "status", "invalid_choice")]


def test_a_missing_cell_does_not_change_its_field(owner):
    resource = ResourceFactory(user=owner.user, title="Old", content="stays", tags=["red"])
    result = imported(owner, f"id,title,content,tags\n{resource.pk},New\nx\n,Short\n")
    resource = Resource.objects.get(pk=resource.pk)

    assert (resource.title, resource.content, resource.tag_list) == ("New", "stays", ["red"])
    assert counts(result) == (1, 1, 0, 1)
    assert wrong(result) == [(2, "id", "invalid")]


def test_an_empty_cell_is_not_an_absent_one(owner):
    resource = ResourceFactory(user=owner.user, title="Old", content="goes", tags=["red"])
    imported(owner, f"id,title,content,tags\n{resource.pk},New,,\n")
    resource = Resource.objects.get()

    assert (resource.title, resource.content, resource.tag_list) == ("New", "", [])


def test_a_row_with_more_than_the_header_names_is_reported(owner):
    result = imported(owner, "title,status\nOne,draft,,\nTwo,draft,,shifted\nThree\n")

    assert (titles(), wrong(result)) == (["One", "Three"], [(2, None, "cells")])


def test_a_row_whose_cells_have_line_breaks_is_one_row(owner):
    result = imported(owner, 'title,content\n"One","a\nb\r\nc"\n,x\n')

    assert (titles(), wrong(result)) == (["One"], [(2, "title", "blank")])
    assert Resource.objects.get().content == "a\nb\r\nc"


@pytest.mark.parametrize("column", ["content", "title", "tags", "id"])
def test_a_cell_that_is_too_long_is_one_row(owner, column):
    header = ["title", "content", "tags", "id"]
    long = ",".join("x" * (MAX_CELL_LENGTH + 1) if name == column else "" for name in header)
    result = imported(owner, f"{','.join(header)}\nBefore\n{long}\nAfter\n")

    assert (titles(), wrong(result)) == (["After", "Before"], [(2, column, "max_length")])


def test_a_cell_of_an_ignored_column_may_have_any_length(owner):
    result = imported(owner, f"notes,title\n{'x' * 2_000_000},One\n")

    assert counts(result) == (1, 0, 0, 0)


# --- quotes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "title"),
    [
        ('5" pipe', '5" pipe'),
        ('pipe 5"', 'pipe 5"'),
        ('the "best" one', 'the "best" one'),
        ('"5"" pipe"', '5" pipe'),
        ('"a"b', "ab"),  # as spreadsheets read it
        ('"a" and more', "a and more"),
    ],
)
def test_a_stray_quote_is_text(owner, cell, title):
    result = imported(owner, f"title,status\n{cell},draft\nNext,draft\n")

    assert (counts(result), titles()) == ((2, 0, 0, 0), sorted([title, "Next"]))


# --- there and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_a_spreadsheet_saves_of_an_export_is_unchanged(owner, delimiter, encoding):
    for number, title in enumerate(["=SUM(A1)", "semi;colon", "plain, comma", 'five"', "tab\there", "-5"]):
        tags = ["a;b", "with, comma", '"quoted"', "=tag"][: number % 5]
        ResourceFactory(user=owner.user, title=title, content=f"{title};\r\nline\n", tags=tags)
    exported = content(finished(owner, owner.post("/api/v1/resources/export", {"format": "csv"})))
    saved = io.StringIO(newline="")
    rows = csv.reader(io.StringIO(exported.decode(), newline=""))
    csv.writer(saved, delimiter=delimiter).writerows([*row, "", ""] for row in rows)

    assert counts(imported(owner, saved.getvalue().encode(encoding))) == (0, 0, 6, 0)
