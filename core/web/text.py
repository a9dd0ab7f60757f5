"""Functions that normalise, fold and IDNA-encode text, within limits on its length and combining marks.

Normalisation sorts the combining marks of a run. The cost grows with the square of the run, and the interpreter lock is
held meanwhile: 64,000 marks in one run take half a minute. So a run has at most 30 marks, as in the Stream-Safe Text
Format (UAX #15, section 13); no language needs more than a few.
"""

import re
import unicodedata
from typing import Literal

import idna
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

MAX_MARKS = 30
MAX_DOMAIN = 253  # RFC 1035, 3.1, without the length octets
MAX_MARKS_OF_A_LETTER = 3  # into which a precomposed letter decomposes
MAX_MARKS_OF_A_MARK = 2
FEWEST_SUSPICIOUS = (MAX_MARKS - MAX_MARKS_OF_A_LETTER) // MAX_MARKS_OF_A_MARK + 1
MAX_PARAMETER_LENGTH = 200  # characters of a text in a query string or a search box
MAX_SHOWN = 200  # characters of a name from a client, in a response
MAX_ERROR_TEXT = 2000
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
LAST_MARK = 0x1FFFF  # the planes above hold no combining marks

Form = Literal["NFC", "NFKC"]

# Characters that Unicode does not decompose, with their form on keyboards, in lower case: letters with a stroke or a
# hook, ligatures, and the apostrophes and hyphens of typesetters.
LETTERS = "łl øo đd ðd ħh ŧt ŋn ĸq \u0131i ȷj æae œoe þth ƀb ɓb ƈc ɖd ɗd ǥg ɠg ɨi ƙk ɲn ɵo ƥp ɍr ƭt ʉu \u028bv ɏy ƴy ƶz"
APOSTROPHES = (0xB4, 0x2B9, 0x2BB, 0x2BC, 0x2BD, 0x2BE, 0x2BF, 0x2C8, 0x2018, 0x2019, 0x201B, 0x2032, 0xA78C)
HYPHENS = (*range(0x2010, 0x2016), 0x2212)
PLAIN: dict[int, str] = {
    **{ord(pair[0]): pair[1:] for pair in LETTERS.split()},
    **dict.fromkeys(APOSTROPHES, "'"),
    **dict.fromkeys(HYPHENS, "-"),
    0xAD: "",  # a hyphen that shows only where the line breaks
}

# Characters that decompose into combining marks only. A few of them have no combining class of their own.
ALL_MARKS = [
    char
    for char in map(chr, range(0x300, LAST_MARK + 1))
    if unicodedata.combining(char)
    or (
        unicodedata.decomposition(char)
        and all(map(unicodedata.combining, unicodedata.normalize("NFKD", char)))
    )
]
MARK = f"[{''.join(ALL_MARKS)}]"
MARKS = re.compile(f"{MARK}+")
SUSPICIOUS_RUN = re.compile(f"{MARK}{{{FEWEST_SUSPICIOUS},}}")


def is_stream_safe(text: str) -> bool:
    """Return whether every letter of `text`, once decomposed, has at most MAX_MARKS combining marks."""
    # Linear. A run that is long enough has a mark at a multiple of FEWEST_SUSPICIOUS; most texts need no further look.
    if text.isascii() or not MARKS.search(text[FEWEST_SUSPICIOUS - 1 :: FEWEST_SUSPICIOUS]):
        return True
    return all(marks_of_run(text, *run.span()) <= MAX_MARKS for run in SUSPICIOUS_RUN.finditer(text))


def marks_of_run(text: str, start: int, end: int) -> int:
    """Return how many combining marks a run has once it is decomposed, those of the letter before it included."""
    if end - start > MAX_MARKS:
        return end - start
    decomposed = unicodedata.normalize("NFKD", text[max(0, start - 1) : end])
    return len(decomposed) - len(MARKS.sub("", decomposed))


def refuse_mark_runs(text: str) -> None:
    """Raise ValidationError for too many combining marks in a row. Usable as a field validator."""
    if not is_stream_safe(text):
        message = _("At most %(max)d combining marks in a row.")
        raise ValidationError(message, code="invalid_characters", params={"max": MAX_MARKS})


def normalize(form: Form, text: str, *, max_length: int) -> str:
    """Return `text` in this normalisation form. Raises ValidationError, before any work, for a text that is longer than
    `max_length` or has more than MAX_MARKS combining marks in a row. The result may be longer than the text."""
    if len(text) > max_length:
        message = _("At most %(max)d characters.")
        raise ValidationError(message, code="max_length", params={"max": max_length})
    refuse_mark_runs(text)
    return unicodedata.normalize(form, text)


def without_mark_runs(text: str) -> str:
    """Return `text` as it is, or without any combining mark when it has too many in a row."""
    return text if is_stream_safe(text) else MARKS.sub("", text)


def shortened(text: str, max_length: int = MAX_SHOWN) -> str:
    """Return `text`, or its beginning and an ellipsis where it has more than `max_length` characters. NUL and lone
    surrogates, which PostgreSQL does not store, become U+FFFD."""
    start = text if len(text) <= max_length else f"{text[: max_length - 1]}…"
    return UNSTORABLE.sub("\ufffd", start)


def error_text(error: Exception) -> str:
    """Return the text of an unexpected error that staff see."""
    return shortened(f"{type(error).__name__}: {error}", MAX_ERROR_TEXT)


def fold(text: str) -> str:
    """Return `text` without case and accents, and its letters and signs as PLAIN has them, for comparison in a search.
    Any text is allowed; the cost is linear."""
    flat = text.casefold()
    if flat.isascii():
        return flat
    # Before, since the acute accent alone decomposes into a space; and after, since `ǿ` decomposes into `ø`.
    decomposed = unicodedata.normalize("NFKD", without_mark_runs(flat).translate(PLAIN))
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return bare.casefold().translate(PLAIN)


def ascii_domain(domain: str) -> str:
    """Return a domain as DNS knows it (IDNA 2008): `bücher.example` as `xn--bcher-kva.example`. Raises ValueError."""
    if len(domain) > MAX_DOMAIN:
        raise ValueError("a domain has at most 253 characters")
    return idna.encode(domain, uts46=True).decode()  # its errors are ValueErrors


def unicode_domain(domain: str) -> str:
    """Return a domain as people write it, or unchanged if it cannot be decoded."""
    if "xn--" not in domain or len(domain) > MAX_DOMAIN:
        return domain
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain
