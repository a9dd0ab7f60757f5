"""Reading uploaded tables, CSV or JSON, row by row in constant memory.

The first row is number 1, whatever the format; a header is no row. A row that cannot be a row is a `BadRow` among
the others; what makes the rest of the file unreadable raises BadTable.
"""

import csv
import io
import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from core.cells import unguarded
from core.errors import ApiError
from core.parsers import MAX_DEPTH, depth_of

MOST_ROWS = 100_000
MOST_COLUMNS = 100
LONGEST_HEADER = 64 * 1024
LONGEST_OBJECT = 1024 * 1024  # characters
PIECE = 64 * 1024
DELIMITERS = ",;\t"
BINARY = (
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"%PDF",
    b"\xd0\xcf\x11\xe0",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"BZh",
    b"7z\xbc\xaf",
)
SPACE = " \t\r\n"


class BadTable(ApiError):
    """The file as a whole cannot be taken."""

    code = "VALIDATION_ERROR"

    def __init__(self, message: str, code: str | None = None) -> None:
        details = [{"field": "file", "code": "invalid", "message": message}]
        super().__init__(code, message=message, details=[] if code else details)


@dataclass(frozen=True, slots=True)
class BadRow:
    field: str | None
    code: str
    message: str


Row = dict[str, Any] | BadRow


@dataclass(frozen=True, slots=True)
class Table:
    """`columns` is None where each row names its own (JSON)."""

    format: str
    columns: tuple[str, ...] | None
    rows: Iterator[tuple[int, Row]]


def open_table(stream: IO[bytes], known: Collection[str]) -> Table:
    """`known` are the columns that mean something. Raises BadTable."""
    head = stream.read(PIECE)
    refuse_binary(head)
    text = io.TextIOWrapper(io.BufferedReader(Prefixed(head, stream)), encoding="utf-8-sig", newline="")
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first == b"[":
        return Table("json", None, numbered(json_rows(text)))
    if first in {b"{", b""}:
        raise BadTable("A JSON file holds an array of objects." if first else "The file is empty.")
    with unreadable(0):
        return csv_table(text, known)


def refuse_binary(head: bytes) -> None:
    if head.startswith(BINARY) or b"\x00" in head:
        raise BadTable(
            "Send CSV or JSON in UTF-8, neither compressed nor a spreadsheet.", "UNSUPPORTED_MEDIA_TYPE"
        )


class Prefixed(io.RawIOBase):
    """A stream with what was read of it already."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._head[: len(buffer)] if self._head else self._rest.read(len(buffer))
        self._head = self._head[len(piece) :] if self._head else b""
        buffer[: len(piece)] = piece
        return len(piece)


class unreadable:
    """What the readers raise, as BadTable."""

    def __init__(self, row: int) -> None:
        self.row = row

    def __enter__(self) -> "unreadable":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        where = f" after row {self.row}" if self.row else ""
        if isinstance(error, UnicodeDecodeError):
            raise BadTable(f"The file is not in UTF-8{where}.") from error
        if isinstance(error, csv.Error):
            raise BadTable(f"The file is not CSV{where}: {error}.") from error
        if isinstance(error, ValueError | RecursionError):
            raise BadTable(f"The file is not JSON{where}.") from error


def numbered(rows: Iterator[Row]) -> Iterator[tuple[int, Row]]:
    """Raises BadTable also for a row too many."""
    number = 0
    while True:
        with unreadable(number):
            row = next(rows, None)
        if row is None:
            return
        number += 1
        if number > MOST_ROWS:
            raise BadTable(f"A file may have {MOST_ROWS:,} rows at most.", "PAYLOAD_TOO_LARGE")
        yield number, row


# --- CSV ------------------------------------------------------------------------------------------


def csv_table(text: IO[str], known: Collection[str]) -> Table:
    header = text.readline(LONGEST_HEADER)
    delimiter, names = split_header(header, known)
    if len(names) > MOST_COLUMNS:
        raise BadTable(f"A file may have {MOST_COLUMNS} columns at most.")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise BadTable(f"A column stands there twice: {', '.join(twice)}.")
    if not known & set(names):  # type: ignore[operator]
        raise BadTable(f"The first line names the columns, some of {', '.join(sorted(known))}.")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    return Table("csv", names, numbered(csv_rows(reader, names)))


def split_header(header: str, known: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """Spreadsheets of half the world separate by semicolons: the separator is what leaves most known names."""
    readings: dict[str, tuple[str, ...]] = {}
    for delimiter in DELIMITERS:
        with suppress(csv.Error):  # quotes that end where another separator stands
            cells = next(csv.reader([header], delimiter=delimiter, strict=True), [])
            readings[delimiter] = tuple(unguarded(cell).strip() for cell in cells)
    if not readings:
        raise csv.Error("the quotes of its first line do not match")
    best = max(readings, key=lambda delimiter: len(set(readings[delimiter]) & set(known)))
    return best, readings[best]


def csv_rows(reader: Any, names: tuple[str, ...]) -> Iterator[Row]:
    for cells in reader:
        if not cells:
            continue  # a line without anything
        if len(cells) != len(names):
            yield BadRow(None, "cells", f"The row has {len(cells)} cells, the header {len(names)}.")
        else:
            yield {name: unguarded(cell) for name, cell in zip(names, cells, strict=True) if name}


# --- JSON -----------------------------------------------------------------------------------------


def json_rows(text: IO[str]) -> Iterator[Row]:
    """The members of an array, one at a time. Raises ValueError where it is no JSON."""
    source = Buffered(text)
    if source.next() != "[":
        raise ValueError("not an array")
    if source.peek() == "]":
        source.next()
    else:
        while True:
            yield row_of(source.member())
            mark = source.next()
            if mark == "]":
                break
            if mark != ",":
                raise ValueError("a comma is missing")
    if source.peek():
        raise ValueError("something stands behind the array")


def row_of(member: Any) -> Row:
    if not isinstance(member, dict):
        return BadRow(None, "invalid", "A row must be an object.")
    return member


class Buffered:
    """Text that is read in pieces, and decoded member by member."""

    decoder = json.JSONDecoder(parse_constant=lambda name: refuse(f"{name} is not JSON"))

    def __init__(self, text: IO[str]) -> None:
        self._text, self._buffer, self._at = text, "", 0
        self._is_over = False

    def fill(self) -> bool:
        """Read on; False at the end."""
        piece = "" if self._is_over else self._text.read(PIECE)
        self._is_over = not piece
        self._buffer, self._at = self._buffer[self._at :] + piece, 0
        return bool(piece)

    def peek(self) -> str:
        """The next sign that is no white space, "" at the end."""
        while True:
            while self._at < len(self._buffer):
                sign = self._buffer[self._at]
                if sign not in SPACE:
                    return sign
                self._at += 1
            if not self.fill():
                return ""

    def next(self) -> str:
        sign = self.peek()
        self._at += 1
        return sign

    def member(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self._buffer, self._at)
            except ValueError:
                if self.pending() or not self.fill():
                    raise
                continue
            # A number may go on in the next piece.
            if end == len(self._buffer) and not self._is_over and self.fill():
                continue
            brackets = self._buffer.count("[", self._at, end) + self._buffer.count("{", self._at, end)
            if brackets > MAX_DEPTH and depth_of(self._buffer[self._at : end].encode()) > MAX_DEPTH:
                raise ValueError("too deep")
            self._at = end
            return value

    def pending(self) -> bool:
        """Whether there is more than one object may be."""
        return len(self._buffer) - self._at > LONGEST_OBJECT


def refuse(message: str) -> None:
    raise ValueError(message)
