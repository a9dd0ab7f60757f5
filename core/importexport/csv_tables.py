"""CSV as spreadsheets write it: any delimiter, any case, empty rows and columns around the table.

A stray quote is read as spreadsheets read it, and never fails the file. Only a quote that is not closed does, because
nobody can tell where the next row would begin.
"""

import csv
import math
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import IO, Any

from django.utils.translation import gettext as _

from core.importexport.csv_cells import unguarded
from core.importexport.table_rows import BadRow, BadTable, Row, Rows

MAX_COLUMNS = 100
MAX_HEADER_LENGTH = 64 * 1024  # characters
MAX_NUMBER = 2**20  # of the last row, empty ones counted, as in spreadsheets
MAX_CELL_LENGTH = 128 * 1024  # characters
DELIMITERS = ",;\t"
# The first line may name the delimiter for Excel. Another program may have saved it as a cell, delimiters behind it:
# then the file has the delimiter of that program.
SEPARATOR = re.compile(r'\s*"?sep=([^\w\s"]|\t)\1*"?([,;\t]*)[\r\n]*', re.IGNORECASE)

# The standard reader stops the file at a longer cell. The limit of uploads bounds the file; MAX_CELL_LENGTH is checked
# for each cell that counts.
csv.field_size_limit(2**31 - 1)


class UnclosedQuoteError(Exception):
    """The text ends within quotes."""


def csv_table(text: IO[str], known: Collection[str]) -> tuple[tuple[str, ...], Rows]:
    """Return the titles of the columns, the known ones in their own spelling, and the rows. Raises BadTable."""
    head, delimiter = first_lines(text), None
    separator = SEPARATOR.fullmatch(head[0])
    if separator is not None:
        head, delimiter = head[1:], None if separator[2] else separator[1]
    canonical = {squeezed(name): name for name in known}
    lines = HeaderLines(chain(head, text))
    cell_rows = records(lines, delimiter or best_delimiter(head, canonical))
    header = header_of(cell_rows, lines)
    titles = [" ".join(unguarded(cell).split()) for cell in header]
    while titles and not titles[-1]:
        titles.pop()
    names = [canonical.get(squeezed(title)) for title in titles]
    refuse_header(titles, names, known)
    columns = tuple(name or title for name, title in zip(names, titles, strict=True) if title)
    return columns, csv_rows(cell_rows, names)


class HeaderLines:
    """Lines of which the header may take MAX_HEADER_LENGTH characters. Raises BadTable before more are taken apart."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.left: float = MAX_HEADER_LENGTH

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.left -= len(line)
            if self.left < 0:
                raise BadTable(
                    _("The header may have %(limit)d characters at most.") % {"limit": MAX_HEADER_LENGTH}
                )
            yield line


def header_of(cell_rows: Iterator[list[str]], lines: HeaderLines) -> list[str]:
    """Return the first row with text on; the lines behind it may be of any length. Raises BadTable."""
    try:
        for number, cells in enumerate(cell_rows, start=1):
            refuse_number(number)
            found = has_text(cells)
            lines.left = math.inf if found else MAX_HEADER_LENGTH
            if found:
                return cells
    except UnclosedQuoteError as error:
        raise BadTable(_("The file is not CSV: a quote that opens in its header is never closed.")) from error
    return []


def refuse_number(number: int) -> None:
    if number > MAX_NUMBER:
        message = _("A file may have %(limit)d rows at most, empty ones included.")
        raise BadTable(message % {"limit": MAX_NUMBER}, "PAYLOAD_TOO_LARGE")


def first_lines(text: IO[str]) -> list[str]:
    """Return the lines from the first with text on, as many as a header may have."""
    lines: list[str] = []
    characters = 0
    for line in text:
        if lines or line.strip():
            lines.append(line)
            characters += len(line)
        if characters > MAX_HEADER_LENGTH:
            break
    return lines


def squeezed(title: str) -> str:
    """Return a title as it is compared: without case, spaces and line breaks."""
    return "".join(title.split()).lower()


def best_delimiter(head: list[str], canonical: Collection[str]) -> str:
    """Spreadsheets of half the world separate by semicolons: the delimiter is what leaves most known names."""
    # The last line may be of any length. Where it belongs to the header, the header is too long.
    sample = head[:-1] if sum(map(len, head)) > MAX_HEADER_LENGTH else head

    def known_names(delimiter: str) -> int:
        header = next(filter(has_text, csv.reader(sample, delimiter=delimiter)), [])
        return len({squeezed(unguarded(cell)) for cell in header} & set(canonical))

    return max(DELIMITERS, key=known_names)


def records(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Raises UnclosedQuoteError. Any other stray quote is read as spreadsheets do."""
    is_over = False

    def watched() -> Iterator[str]:
        nonlocal is_over
        yield from lines
        is_over = True

    for cells in csv.reader(watched(), delimiter=delimiter):
        if is_over:  # only within quotes does a record need another line than its own
            raise UnclosedQuoteError
        yield cells


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
    """Empty rows are left out, but have their number."""
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
    """A cell that a short row does not have is absent. Those beyond the header must be empty."""
    if has_text(cells[len(names) :]):
        counts = {"cells": len(cells), "columns": len(names)}
        return BadRow(None, "cells", _("The row has %(cells)d cells, the header %(columns)d.") % counts)
    row: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=False):
        if name is None:
            continue
        if len(cell) > MAX_CELL_LENGTH:
            message = _("A cell may have %(limit)d characters at most.") % {"limit": MAX_CELL_LENGTH}
            return BadRow(name, "max_length", message)
        row[name] = unguarded(cell)
    return row
