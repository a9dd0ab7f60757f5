"""Rows written as CSV (RFC 4180, UTF-8) and JSON in chunks, and values read from the text of a cell.

A spreadsheet takes a cell that begins with = + - @ for a formula (OWASP, CSV injection). Such a text gets an apostrophe
in front, and reading removes exactly that one. A list is one line of CSV in its cell.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

from core.web.json_bytes import dumps

CHUNK_BYTES = 64 * 1024
# Also after white space and characters without width, which spreadsheets trim, in full width, which some fold, and
# after apostrophes, so that removing one is always right.
FORMULA = re.compile(r"'*(?:[\t\r\n]|[\s\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠])")  # noqa: RUF001 - full width is meant


def guarded(text: str) -> str:
    return f"'{text}" if FORMULA.match(text) else text


def unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def cell_of(value: Any) -> str:
    """Return the text of a cell. A list of texts is a line of CSV itself; other lists and objects are JSON."""
    if value is None or value == []:
        return ""
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return guarded(line_of(value))
    if isinstance(value, datetime):
        value = value.astimezone(UTC)
    if isinstance(value, bool | date | dict | list | tuple):
        return dumps(value, default=str).decode().strip('"')
    return str(value)


def line_of(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().removesuffix("\r\n")


def texts_of(cell: str) -> list[str]:
    """Return the list that `cell_of` has written, or that a person wrote as `travel, ideas`. Raises ValueError."""
    if not cell:
        return []
    try:
        [line] = csv.reader(io.StringIO(cell, newline=""), strict=True, skipinitialspace=True)
    except (csv.Error, ValueError) as error:
        raise ValueError("not a list of texts") from error
    return line


def csv_pieces(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)  # the dialect of RFC 4180: commas, CR LF, quotes doubled
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell_of(row[name]) for name in columns])
        if buffer.tell() >= CHUNK_BYTES:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def json_pieces(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield one array, with a line for each object."""
    buffer, before = bytearray(b"["), b"\n"
    for row in rows:
        values = {name: row[name] for name in columns}
        buffer += before + dumps(values, default=str)
        before = b",\n"
        if len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer + b"\n]\n")
