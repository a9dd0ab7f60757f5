"""CSV as spreadsheets write it: any delimiter, any case, empty rows and columns around the table.

A stray quote is read as spreadsheets read it. Only a quote that is never closed fails the file, because the next row
could begin anywhere.
"""

import csv
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice
from typing import IO, Any

from django.utils.translation import gettext as _

from core.web.csv_cells import unguarded
from core.web.errors import ApiError, FieldError

MAX_COLUMNS = 100
MAX_HEADER_LENGTH = 64 * 1024  # characters
MAX_NUMBER = 2**20  # of the last row, empty ones counted, as in spreadsheets
MAX_CELL_LENGTH = 128 * 1024  # characters
DELIMITERS = ",;\t"
EMPTY_LINE = re.compile(r"[\s,;|]*")
# The first line may name the delimiter for Excel. Another program may have saved it as a cell, delimiters after it:
# then the file has the delimiter of that program.
SEPARATOR = re.compile(r'\s*"?sep=([^\w\s"]|\t)\1*+"?([,;\t]*)[\r\n]*', re.IGNORECASE)

# The standard reader stops the file at a longer cell. The limit of uploads bounds the file; MAX_CELL_LENGTH is checked
# for each cell of a known column.
csv.field_size_limit(2**31 - 1)


class BadTable(ApiError):
    """A file that cannot be read as a table."""

    code = "VALIDATION_ERROR"

    def __init__(self, message: str, code: str | None = None) -> None:
        details = [{"field": "file", "code": "invalid", "message": message}]
        super().__init__(code, message=message, details=[] if code else details)


Row = dict[str, Any] | FieldError  # an error takes the place of a row that cannot be read
Rows = Iterator[tuple[int, Row]]


class UnclosedQuoteError(Exception):
    """The text ends within quotes."""


def csv_table(text: IO[str], known: Collection[str]) -> tuple[tuple[str, ...], Rows]:
    """Return the titles of the columns, the known ones in their own spelling, and the rows. Raises BadTable."""
    first, delimiter = first_line(text), None
    separator = SEPARATOR.fullmatch(first)
    if separator is not None:
        first, delimiter = first_line(text), None if separator[2] else separator[1]
    head, length = [], 0
    for line in chain([first], text):
        head.append(line)
        length += len(line)
        if length > MAX_HEADER_LENGTH:
            break
    canonical = {squeezed(name): name for name in known}
    sample = head[:-1] if length > MAX_HEADER_LENGTH else head  # the last line may be of any length
    delimiter = delimiter or best_delimiter(sample, canonical)
    try:
        number, cells = next(with_text(records(sample, delimiter)), (0, []))
    except UnclosedQuoteError as error:
        if sample is head:
            message = _("The file is not CSV: a quote that opens in its header is never closed.")
            raise BadTable(message) from error
        number, cells = 0, []
    if not number and sample is not head:
        message = _("The header may have %(limit)d characters at most.")
        raise BadTable(message % {"limit": MAX_HEADER_LENGTH})
    titles = [" ".join(unguarded(cell).split()) for cell in cells]
    while titles and not titles[-1]:
        titles.pop()
    names = [canonical.get(squeezed(title)) for title in titles]
    refuse_header(titles, names, known)
    columns = tuple(name or title for name, title in zip(names, titles, strict=True) if title)
    return columns, csv_rows(islice(records(chain(head, text), delimiter), number, None), names)


def first_line(text: Iterable[str]) -> str:
    """Return the first line with more than delimiters and white space; "" at the end. Raises BadTable."""
    for number, line in enumerate(text, start=1):
        refuse_number(number)
        if not EMPTY_LINE.fullmatch(line):
            return line
    return ""


def refuse_number(number: int) -> None:
    if number > MAX_NUMBER:
        message = _("A file may have %(limit)d rows at most, empty ones included.")
        raise BadTable(message % {"limit": MAX_NUMBER}, "PAYLOAD_TOO_LARGE")


def squeezed(title: str) -> str:
    """Return a title as it is compared: without case, spaces and line breaks."""
    return "".join(title.split()).lower()


def best_delimiter(sample: list[str], canonical: Collection[str]) -> str:
    """Return the delimiter that yields the most known names: in many locales spreadsheets write semicolons."""

    def known_names(delimiter: str) -> int:
        _number, header = next(with_text(csv.reader(sample, delimiter=delimiter)), (0, []))
        return len({squeezed(unguarded(cell)) for cell in header} & set(canonical))

    return max(DELIMITERS, key=known_names)


def records(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the records. Raises UnclosedQuoteError."""
    is_over = False

    def watched() -> Iterator[str]:
        nonlocal is_over
        yield from lines
        is_over = True

    for cells in csv.reader(watched(), delimiter=delimiter):
        if is_over:  # only within quotes does a record need another line than its own
            raise UnclosedQuoteError
        yield cells


def with_text(rows: Iterable[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, numbered from 1 with the empty ones counted."""
    return ((number, cells) for number, cells in enumerate(rows, start=1) if has_text(cells))


def has_text(cells: list[str]) -> bool:
    """Return whether this is more than an empty line, or a line of delimiters and white space."""
    return any(map(str.strip, cells))


def refuse_header(titles: list[str], names: list[str | None], known: Collection[str]) -> None:
    if sum(map(bool, titles)) > MAX_COLUMNS:
        raise BadTable(_("A file may have %(limit)d columns at most.") % {"limit": MAX_COLUMNS})
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise BadTable(_("These columns are there twice: %(names)s.") % {"names": ", ".join(twice)})
    if not any(names):
        names_known = {"names": ", ".join(sorted(known))}
        raise BadTable(_("The first row must name columns, at least one of %(names)s.") % names_known)


def csv_rows(cell_rows: Iterator[list[str]], names: list[str | None]) -> Rows:
    """Yield the rows that are not empty, with the number that counts the empty ones too. Raises BadTable."""
    number = 0
    try:
        for number, cells in enumerate(cell_rows, start=1):
            refuse_number(number)
            if has_text(cells):
                yield number, csv_row(cells, names)
    except UnclosedQuoteError as error:
        message = _("The file is not CSV: a quote that opens in row %(row)d is never closed.")
        raise BadTable(message % {"row": number + 1}) from error


def csv_row(cells: list[str], names: list[str | None]) -> Row:
    """Return the cells of known columns; a short row has fewer. Cells beyond the header must be empty."""
    if has_text(cells[len(names) :]):
        counts = {"cells": len(cells), "columns": len(names)}
        return FieldError(None, "cells", _("The row has %(cells)d cells, the header %(columns)d.") % counts)
    row = {name: unguarded(cell) for name, cell in zip(names, cells, strict=False) if name is not None}
    for name, cell in row.items():
        if len(cell) > MAX_CELL_LENGTH:
            message = _("A cell may have %(limit)d characters at most.") % {"limit": MAX_CELL_LENGTH}
            return FieldError(name, "max_length", message)
    return row
