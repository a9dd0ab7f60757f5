"""Texts in a table are safe to open in a spreadsheet, and are read again as they were written."""

import csv
import io
import random
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from core.importexport.tabular import open_table
from core.web.csv_cells import cell_of, csv_pieces, guarded, texts_of, unguarded

DANGEROUS = "=+-@\t\r\n＝＋－＠"
ALPHABET = [*DANGEROUS, *"'\",;|% a1", "é", "\u00a0", "\u3000", "\ufeff", "漢", "🙂", "\x0b", "\u2028"]


def invented(number, seed=20261121):
    """Return texts of the characters that are special to CSV, to spreadsheets or to Unicode."""
    source = random.Random(seed)
    return ["".join(source.choices(ALPHABET, k=source.randrange(12))) for _ in range(number)]


@pytest.mark.parametrize("sign", DANGEROUS)
def test_no_cell_begins_a_formula(sign):
    for text in (f"{sign}cmd|' /C calc'!A0", f"'{sign}x", f"''{sign}", sign):
        assert guarded(text) == f"'{text}"
        assert cell_of([text]).startswith(("'", '"'))
    if not sign.isspace():
        for space in (" ", "\u00a0", "\u3000", "\ufeff", "\u200b"):
            assert guarded(f"{space}{sign}1").startswith("'")


@pytest.mark.parametrize("text", ["", "plain", "'quoted", "1-2", "a=b", "it's", "''", "a\tb"])
def test_what_is_no_formula_stays_as_it_is(text):
    assert guarded(text) == unguarded(text) == text


def test_a_number_stays_a_number():
    assert [cell_of(value) for value in (-5, 2.5, True, None)] == ["-5", "2.5", "true", ""]


def test_every_text_comes_back_through_its_cell():
    for text in invented(20_000):
        assert unguarded(guarded(text)) == text
        assert not guarded(text).lstrip().startswith(tuple("=+-@＝＋－＠"))


def test_every_list_comes_back_through_its_cell():
    texts = invented(30_000)
    source = random.Random(7)
    for start in range(0, len(texts), 5):
        # A list field trims its texts, so what it holds has no white space around it.
        names = [text.strip() for text in texts[start : start + source.randrange(6)]]
        assert texts_of(unguarded(cell_of(names))) == names


def test_every_table_comes_back_whole():
    texts = invented(6_000)
    rows = [{"a": one, "b=": two, "c": three} for one, two, three in zip(*[iter(texts)] * 3, strict=True)]
    rows = [row for row in rows if any(map(str.strip, row.values()))]  # a row without any text is no row
    written = b"".join(csv_pieces(["a", "b=", "c"], rows))
    table = open_table(io.BytesIO(written), {"a", "b=", "c"})

    assert [row for _number, row in table.rows] == rows


def test_it_is_written_in_pieces():
    rows = ({"a": "x" * 1000} for _ in range(1000))
    pieces = list(csv_pieces(["a"], rows))

    assert len(pieces) > 10
    assert max(map(len, pieces)) < 70_000


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        ("", []),
        ("travel", ["travel"]),
        ("travel,ideas", ["travel", "ideas"]),
        ("travel, ideas", ["travel", "ideas"]),
        ('"a, b",c', ["a, b", "c"]),
        ('""', [""]),
    ],
)
def test_people_write_lists_with_commas(cell, texts):
    assert texts_of(cell) == texts


@pytest.mark.parametrize("cell", ['"open', '"a"b', "a\nb"])
def test_what_is_no_list_is_refused(cell):
    with pytest.raises(ValueError, match="not a list"):
        texts_of(cell)


def test_other_programs_read_what_is_written():
    rows = [{"a": 'x"y', "b": "1\r\n2"}, {"a": ",", "b": "é"}]
    written = b"".join(csv_pieces(["a", "b"], rows))

    assert written == b'a,b\r\n"x""y","1\r\n2"\r\n",",\xc3\xa9\r\n'
    assert list(csv.DictReader(io.StringIO(written.decode(), newline=""))) == rows


def test_values_of_json_have_one_text():
    afternoon = datetime(2026, 3, 14, 15, 9, 26, 535, tzinfo=timezone(timedelta(hours=6)))
    values = [afternoon, afternoon.date(), Decimal("-1.50"), UUID(int=7), {"a": ["=1"]}, [1, None], False, []]

    assert [cell_of(value) for value in values] == [
        "2026-03-14T09:09:26.000535Z",
        "2026-03-14",
        "-1.50",
        "00000000-0000-0000-0000-000000000007",
        '{"a":["=1"]}',
        "[1,null]",
        "false",
        "",
    ]
