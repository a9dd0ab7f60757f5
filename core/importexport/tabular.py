"""Reading uploaded tables, CSV or JSON, row by row in constant memory.

Rows are numbered as a spreadsheet does it, from 1 for the row below the header: a row whose cells have line breaks is
one row, and an empty row has a number too. A row that cannot be a row is a `BadRow` among the others; what makes the
rest of the file unreadable raises BadTable.
"""

import io
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import IO, Any

from core.api.parsers import MAX_DEPTH, depth_of
from core.importexport.csv_tables import csv_table
from core.importexport.table_rows import BadRow, BadTable, Row, Rows

MOST_ROWS = 100_000
LONGEST_OBJECT = 1024 * 1024  # characters
PIECE = 64 * 1024
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # the byte order marks of "Unicode text"
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
SPACES = re.compile(r"[ \t\r\n]*")
# Programs that join or convert files leave more than one byte order mark, or spaces without width.
UTF_8_MARKS = re.compile(rb"\A(?:\xef\xbb\xbf|\xe2\x80\x8b)+")
UTF_16_MARKS = re.compile(rb"\A(\xff\xfe|\xfe\xff)\1+")


@dataclass(frozen=True, slots=True)
class Table:
    """`columns` is None where each row names its own (JSON)."""

    format: str
    columns: tuple[str, ...] | None
    rows: Rows


def open_table(stream: IO[bytes], known: Collection[str]) -> Table:
    """`known` are the columns that mean something. Raises BadTable."""
    head = UTF_16_MARKS.sub(rb"\1", UTF_8_MARKS.sub(b"", stream.read(PIECE)))
    encoding = "utf-16" if head.startswith(UTF_16) else "utf-8-sig"
    refuse_binary(head, encoding)
    text = io.TextIOWrapper(io.BufferedReader(Prefixed(head, stream)), encoding=encoding, newline="")
    first = head.decode(encoding, "replace").lstrip()[:1]
    if first == "[":
        return Table("json", None, bounded(enumerate(json_rows(text), start=1)))
    if first in {"{", ""}:
        raise BadTable("A JSON file holds an array of objects." if first else "The file is empty.")
    with unreadable(0):
        columns, rows = csv_table(text, known)
    return Table("csv", columns, bounded(rows))


def refuse_binary(head: bytes, encoding: str) -> None:
    if head.startswith(BINARY) or (b"\x00" in head and encoding != "utf-16"):
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
            raise BadTable(
                f"The file is not in UTF-8{where}. Spreadsheets can save it as CSV UTF-8."
            ) from error
        if isinstance(error, ValueError | RecursionError):
            raise BadTable(f"The file is not JSON{where}.") from error


def bounded(rows: Rows) -> Rows:
    """Raises BadTable also for a row too many."""
    last, count = 0, 0
    while True:
        with unreadable(last):
            numbered_row = next(rows, None)
        if numbered_row is None:
            return
        last = numbered_row[0]
        count += 1
        if count > MOST_ROWS:
            raise BadTable(f"A file may have {MOST_ROWS:,} rows at most.", "PAYLOAD_TOO_LARGE")
        yield numbered_row


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
            self._at = SPACES.match(self._buffer, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._buffer):
                return self._buffer[self._at]
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
