"""What a file is, read from its bytes. Its name and the type that a client claims decide nothing."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
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
# No text holds it, and nearly every binary file does.
NUL = "\x00"
BLANK = "\ufeff \t\r\n\v\f"  # what may stand before the first word: a byte order mark, and spaces
# Text that a program would run or draw, were it not served as plain text: HTML, SVG, XML, PHP, PostScript, RTF.
ACTIVE_TEXT = re.compile(r"(?i:<(!doctype\s+html|html|script|svg|\?xml|\?php)\b)|%!PS|\{\\rtf")
MARKUP_CHARACTERS = 1024  # enough for the longest of these, spaces in a doctype included
# In a PDF they mean that it is a page or an archive as well.
ACTIVE_HEAD = re.compile(rb"<\s*(html|script|svg|!doctype|\?php|\?xml)", re.IGNORECASE)
ARCHIVE_END = b"PK\x05\x06"
ARCHIVE_TAIL_BYTES = 66 * 1024  # where the end of a zip archive must stand
PDF_HEAD = re.compile(rb"%PDF-[12]\.\d")
PDF_TAIL = re.compile(rb"%%EOF[\s\x00]*\Z")
DELIMITERS = (",", ";", "\t")
SAMPLE_BYTES = 256 * 1024


class NotAllowed(ApiError):
    code = "UNSUPPORTED_MEDIA_TYPE"

    def __init__(self) -> None:
        super().__init__(message="The file must be a PNG, JPEG, WebP, GIF, PDF, plain text or CSV.")


def type_of(file: IO[bytes], name: str) -> str:
    """One of ALLOWED. An image is only said to be one: decoding it is the proof.

    Raises NotAllowed, and FieldError for a PDF that breaks off. `name` only decides between text and CSV, where
    the bytes allow both.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    guesses = {guess.mime_type for guess in magic(head)}
    for kind in sorted(IMAGES):
        if kind in guesses:
            return kind
    if PDF_HEAD.match(head.lstrip(BLANK.encode())):
        check_pdf(file, head)
        return PDF
    check_text(file)
    return CSV if is_csv(file, named=name.lower().endswith(".csv")) else TEXT


def magic(head: bytes) -> list[puremagic.PureMagicWithConfidence]:
    try:
        return puremagic.magic_string(head)
    except puremagic.PureError:  # it knows nothing that begins like this
        return []


def check_pdf(file: IO[bytes], head: bytes) -> None:
    file.seek(0, io.SEEK_END)
    file.seek(max(0, file.tell() - ARCHIVE_TAIL_BYTES))
    tail = file.read()
    if ACTIVE_HEAD.search(head[:1024]) or ARCHIVE_END in tail:
        raise NotAllowed
    if not PDF_TAIL.search(tail[-1024:]):
        raise FieldError("file", "invalid_pdf", "This PDF is broken off, or something follows its end.")


def check_text(file: IO[bytes]) -> None:
    """Raises NotAllowed for what is not UTF-8, holds NUL, or begins as text that a program runs."""
    beginning = ""
    try:
        for text in texts(file):
            if NUL in text:
                raise NotAllowed
            if len(beginning) < MARKUP_CHARACTERS:
                beginning = (beginning + text).lstrip(BLANK)[:MARKUP_CHARACTERS]
    except UnicodeDecodeError as error:
        raise NotAllowed from error
    if ACTIVE_TEXT.match(beginning):
        raise NotAllowed


def texts(file: IO[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def is_csv(file: IO[bytes], *, named: bool) -> bool:
    """Rows of as many columns each, at least two of both. Prose has a space after its commas: such a file is CSV
    when it is called so, as is any other that can be read as rows."""
    file.seek(0)
    text = file.read(SAMPLE_BYTES).decode("utf-8-sig", errors="ignore")
    if file.read(1):
        text = text[: text.rfind("\n") + 1]  # a row that is cut off says nothing
    for delimiter in DELIMITERS:
        widths = widths_of(text, delimiter)
        if widths and named:
            return True
        if len(set(widths)) == 1 < min(len(widths), widths[0]) and f"{delimiter} " not in text:
            return True
    return False


def widths_of(text: str, delimiter: str) -> list[int]:
    """How many columns each row has; none when it cannot be read so."""
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        return [len(row) for row in rows if row]
    except csv.Error:
        return []
