"""Rows as CSV (RFC 4180, UTF-8) and JSON, written in pieces; and a cell's text back into what it stood for.

A spreadsheet takes a cell that begins with = + - @ for a formula, whoever wrote it (OWASP, CSV injection). Such a
text gets an apostrophe in front; reading takes exactly that one off again. A list is one line of CSV in its cell.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson

PIECE = 64 * 1024
# Also after white space and signs without width, which spreadsheets trim, in full width, which some fold, and behind
# apostrophes, so that taking one off is always right.
FORMULA = re.compile(r"'*(?:[\t\r\n]|[\s\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠])")  # noqa: RUF001 - full width is meant
JSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


def guarded(text: str) -> str:
    return f"'{text}" if FORMULA.match(text) else text


def unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def cell_of(value: Any) -> str:
    """What stands in the cell. A list of texts is a line of CSV itself; what is deeper is JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return guarded(line_of(value)) if value else ""
    if isinstance(value, dict | list | tuple):
        return guarded(orjson.dumps(value, default=str, option=JSON_OPTIONS).decode())
    return str(value)


def line_of(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().removesuffix("\r\n")


def texts_of(cell: str) -> list[str]:
    """The list that `cell_of` made a cell of, or that a person wrote as `travel, ideas`. Raises ValueError."""
    if not cell:
        return []
    try:
        lines = list(csv.reader(io.StringIO(cell, newline=""), strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise ValueError("not a list of texts") from error
    if len(lines) != 1:
        raise ValueError("not a list of texts")
    return lines[0]


def csv_pieces(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)  # the dialect of RFC 4180: commas, CR LF, quotes doubled
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell_of(row[name]) for name in columns])
        if buffer.tell() >= PIECE:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def json_pieces(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """One array, a line for each object."""
    buffer, before = bytearray(b"["), b"\n"
    for row in rows:
        buffer += before + orjson.dumps(
            {name: row[name] for name in columns}, default=str, option=JSON_OPTIONS
        )
        before = b",\n"
        if len(buffer) >= PIECE:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer + b"\n]\n")
