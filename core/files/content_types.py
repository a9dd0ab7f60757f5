"""The type of a file, read from its bytes: neither its name nor the type that a client sends decides it."""

import codecs
import csv
import io
import re
from contextlib import suppress
from functools import partial
from typing import IO

import puremagic

from core.web.errors import ApiError, FieldError

IMAGES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
PDF = "application/pdf"
TEXT = "text/plain"
CSV = "text/csv"
ALLOWED = (*sorted(IMAGES), PDF, TEXT, CSV)

HEAD_BYTES = 2048
CHUNK_BYTES = 64 * 1024
BLANK = "\ufeff \t\r\n\v\f"  # allowed before the first word: a byte order mark, and spaces
# Text that a program would run or draw, were it not served as plain text: HTML, SVG, XML, PHP, PostScript, RTF.
ACTIVE_TEXT = re.compile(r"(?i:<(!doctype\s+html|html|script|svg|\?xml|\?php)\b)|%!PS|\{\\rtf")
MARKUP_CHARACTERS = 1024  # enough for the longest of these, spaces in a doctype included
# A PDF with one of these is a web page or an archive as well.
ACTIVE_HEAD = re.compile(rb"<\s*(html|script|svg|!doctype|\?php|\?xml)", re.IGNORECASE)
ARCHIVE_END = b"PK\x05\x06"
ARCHIVE_TAIL_BYTES = 66 * 1024  # the end of a zip archive is within
PDF_HEAD = re.compile(rb"%PDF-[12]\.\d")
PDF_TAIL = re.compile(rb"%%EOF[\s\x00]*\Z")
DELIMITERS = (",", ";", "\t")
SAMPLE_BYTES = 256 * 1024


class NotAllowed(ApiError):
    code = "UNSUPPORTED_MEDIA_TYPE"

    def __init__(self) -> None:
        super().__init__(message="The file must be a PNG, JPEG, WebP, GIF, PDF, plain text or CSV.")


def type_of(file: IO[bytes], name: str) -> str:
    """Return one of ALLOWED. An image is recognised by its beginning alone; decoding it is the check.

    Raises NotAllowed, and FieldError for a PDF without its end. `name` decides between text and CSV, where the bytes
    allow both.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    with suppress(puremagic.PureError):  # an unknown beginning
        for guess in puremagic.magic_string(head):
            if guess.mime_type in IMAGES:
                return guess.mime_type
    if PDF_HEAD.match(head.lstrip(BLANK.encode())):
        check_pdf(file, head)
        return PDF
    check_text(file)
    return CSV if is_csv(file, named=name.lower().endswith(".csv")) else TEXT


def check_pdf(file: IO[bytes], head: bytes) -> None:
    file.seek(0, io.SEEK_END)
    file.seek(max(0, file.tell() - ARCHIVE_TAIL_BYTES))
    tail = file.read()
    if ACTIVE_HEAD.search(head[:1024]) or ARCHIVE_END in tail:
        raise NotAllowed
    if not PDF_TAIL.search(tail[-1024:]):
        raise FieldError("file", "invalid_pdf", "This PDF is broken off, or something follows its end.")


def check_text(file: IO[bytes]) -> None:
    """Raise NotAllowed for bytes that are not UTF-8, for NUL, and for the beginning of text that a program runs."""
    beginning = ""
    file.seek(0)
    try:
        for text in codecs.iterdecode(iter(partial(file.read, CHUNK_BYTES), b""), "utf-8"):
            if "\0" in text:  # as in nearly every binary file
                raise NotAllowed
            if len(beginning) < MARKUP_CHARACTERS:
                beginning = (beginning + text).lstrip(BLANK)[:MARKUP_CHARACTERS]
    except UnicodeDecodeError as error:
        raise NotAllowed from error
    if ACTIVE_TEXT.match(beginning):
        raise NotAllowed


def is_csv(file: IO[bytes], *, named: bool) -> bool:
    """Return whether all rows have the same number of columns, with at least two of both. Prose has a space after its
    commas: such a file is CSV only by its name, as is any other that can be read as rows."""
    file.seek(0)
    text = file.read(SAMPLE_BYTES).decode("utf-8-sig", errors="ignore")
    if file.read(1):
        text = text[: text.rfind("\n") + 1]  # without the row that is cut off
    for delimiter in DELIMITERS:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        with suppress(csv.Error):
            widths = [len(row) for row in rows if row]
            if widths and named:
                return True
            if len(set(widths)) == 1 < min(len(widths), widths[0]) and f"{delimiter} " not in text:
                return True
    return False
