"""Uploaded tables, CSV or JSON, read row by row in bounded memory.

Rows are numbered as in a spreadsheet, from 1 for the row below the header: a row whose cells have line breaks is one
row, and an empty row has a number too. A FieldError takes the place of a row that cannot be read; BadTable is raised
where the rest of the file cannot be read.
"""

import io
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import IO, Any

from core.api.parsers import MAX_DEPTH, depth_of, refuse_constant, unique_keys
from core.importexport.csv_tables import BadTable, Row, Rows, csv_table
from core.web.errors import FieldError

MAX_ROWS = 100_000
MAX_OBJECT_LENGTH = 1024 * 1024  # characters
CHUNK_BYTES = 64 * 1024
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # the byte order marks of "Unicode text"
BINARY = (
    *(b"PK\x03\x04", b"\x1f\x8b", b"%PDF", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"\xff\xd8\xff", b"BZh"),
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
    """Return the table in `stream`. `known` are the names of the columns that are used. Raises BadTable."""
    head = UTF_16_MARKS.sub(rb"\1", UTF_8_MARKS.sub(b"", stream.read(CHUNK_BYTES)))
    encoding = "utf-16" if head.startswith(UTF_16) else "utf-8-sig"
    if head.startswith(BINARY) or (b"\x00" in head and encoding != "utf-16"):
        message = "Send CSV or JSON in UTF-8, neither compressed nor a spreadsheet."
        raise BadTable(message, "UNSUPPORTED_MEDIA_TYPE")
    text = io.TextIOWrapper(io.BufferedReader(Prefixed(head, stream)), encoding=encoding, newline="")
    first = head.decode(encoding, "replace").lstrip()[:1]
    if first == "[":
        return Table("json", None, bounded(enumerate(json_rows(text), start=1)))
    if first in {"{", ""}:
        raise BadTable("A JSON file holds an array of objects." if first else "The file is empty.")
    try:
        columns, rows = csv_table(text, known)
    except ValueError as error:
        raise unreadable(error, 0) from error
    return Table("csv", columns, bounded(rows))


class Prefixed(io.RawIOBase):
    """A stream, and before it what was read of it already. Closing it does not close the stream."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(chunk) :]
        buffer[: len(chunk)] = chunk
        return len(chunk)


def bounded(rows: Rows) -> Rows:
    """Yield the rows. Raises BadTable where they cannot be read, and for a row too many."""
    number = 0
    try:
        for count, (number, row) in enumerate(rows, start=1):
            if count > MAX_ROWS:
                raise BadTable(f"A file may have {MAX_ROWS:,} rows at most.", "PAYLOAD_TOO_LARGE")
            yield number, row
    except (ValueError, RecursionError) as error:
        raise unreadable(error, number) from error


def unreadable(error: Exception, row: int) -> BadTable:
    where = f" after row {row}" if row else ""
    if isinstance(error, UnicodeDecodeError):
        return BadTable(f"The file is not in UTF-8{where}. Spreadsheets can save it as CSV UTF-8.")
    return BadTable(f"The file is not JSON{where}.")


# --- JSON -----------------------------------------------------------------------------------------


def json_rows(text: IO[str]) -> Iterator[Row]:
    """Yield the members of an array, one at a time. Raises ValueError where the text is not JSON."""
    source = JSONReader(text)
    source.expect("[")
    if source.peek() != "]":
        yield row_of(source.member())
        while source.peek() != "]":
            source.expect(",")
            yield row_of(source.member())
    source.expect("]")
    source.expect("")


def row_of(member: Any) -> Row:
    return member if isinstance(member, dict) else FieldError(None, "invalid", "A row must be an object.")


class JSONReader:
    """Decodes one value after the other, with a bounded part of the text in memory."""

    def __init__(self, text: IO[str]) -> None:
        self.text, self.buffer, self.position = text, "", 0
        self.decoder = json.JSONDecoder(object_pairs_hook=unique_keys, parse_constant=refuse_constant)

    def fill(self) -> None:
        """Read on, unless all of a value of MAX_OBJECT_LENGTH is in the buffer."""
        if len(self.buffer) - self.position <= MAX_OBJECT_LENGTH:
            chunk = self.text.read(MAX_OBJECT_LENGTH)
            if chunk:
                self.buffer, self.position = self.buffer[self.position :] + chunk, 0

    def peek(self) -> str:
        """Return the next character that is not white space, "" at the end."""
        while True:
            self.position = SPACES.match(self.buffer, self.position).end()  # type: ignore[union-attr]
            if self.position < len(self.buffer):
                return self.buffer[self.position]
            self.fill()
            if self.position == len(self.buffer):
                return ""

    def expect(self, character: str) -> None:
        if self.peek() != character:
            raise ValueError(f"{character or 'the end'} is missing")
        self.position += 1

    def member(self) -> Any:
        self.peek()
        self.fill()
        value, end = self.decoder.raw_decode(self.buffer, self.position)
        if end - self.position > MAX_OBJECT_LENGTH:
            raise ValueError("too long")
        brackets = self.buffer.count("[", self.position, end) + self.buffer.count("{", self.position, end)
        if brackets > MAX_DEPTH and depth_of(self.buffer[self.position : end].encode()) > MAX_DEPTH:
            raise ValueError("too deep")
        self.position = end
        return value
