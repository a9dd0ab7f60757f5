"""Names of files, as their owners see them and as browsers store them. No file is opened by its name."""

import re
import unicodedata
from urllib.parse import quote

from core.web.text import normalize, without_mark_runs

MAX_BYTES = 255  # in UTF-8: the longest name that every file system takes
MAX_ENDING_BYTES = 20
MAX_INPUT = 1024  # characters before normalisation
NAMELESS = "file"
# Control characters, characters that change the direction of text, surrogates, private characters.
INVISIBLE = {"Cc", "Cf", "Cs", "Co"}
JOINERS = (
    "\u200c\u200d"  # ZWNJ and ZWJ belong to the spelling of Persian and of Indian languages, and to emoji
)
BLANK = JOINERS + "".join(filter(str.isspace, map(chr, range(0x3001))))
# Other characters that look like a dot; some systems treat them as one.
DOTS = str.maketrans(dict.fromkeys("\uff0e\u2024\ufe52", "."))
# A browser may decode `%2E` and the encoded words of RFC 2047, `=?utf-8?Q?=2E?=`, after the ending was checked.
ENCODED = re.compile(r"%(?=[0-9a-f]{2})|(?<==)\?|\?(?==)", re.IGNORECASE)
ENDING = re.compile(r"\.(?=[0-9]*[a-z])[a-z0-9_~-]{1,16}", re.IGNORECASE)
NOT_PLAIN = re.compile(r'[^ -~]|[%?"\\]')
# On Windows these are devices, with any ending.
RESERVED = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\.|$)", re.IGNORECASE)
# The endings of each type. A name that has none of them gets the first.
ENDINGS = {
    "image/png": (".png", ".apng"),
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/webp": (".webp",),
    "image/gif": (".gif",),
    "application/pdf": (".pdf",),
    "application/json": (".json",),
    "text/csv": (".csv", ".tsv", ".txt"),
    "text/plain": (".txt", ".text", ".log", ".md"),
}
UNKNOWN = (".bin",)


def clean_name(name: str) -> str:
    """Return the last part of a path, without characters that a terminal, a browser or a person could misread. A name
    that is too long is cut before its ending."""
    name = name.replace("\\", "/").rpartition("/")[2]
    visible = "".join(char for char in name if char in JOINERS or unicodedata.category(char) not in INVISIBLE)
    bounded = without_mark_runs(visible)[-MAX_INPUT:]
    composed = normalize("NFC", bounded, max_length=MAX_INPUT).translate(DOTS)
    name = trimmed(ENCODED.sub("_", composed))
    stem, dot, last = name.rpartition(".")
    is_ending = stem and len(last.encode()) <= MAX_ENDING_BYTES
    return shortened(stem, dot + last) if is_ending else shortened(name, "")


def name_for(name: str, content_type: str) -> str:
    """Return the name with an ending of its type, by which a system chooses the program that opens the file. Another
    ending is replaced: `invoice.bat` of a text becomes `invoice.txt`. A name without an ending gets none."""
    endings = ENDINGS.get(content_type.partition(";")[0], UNKNOWN)
    # A file with a leading dot is hidden, or is the settings of a server.
    name = trimmed(clean_name(name).lstrip(f".{BLANK}"))
    stem, dot, last = name.rpartition(".")
    if not dot:
        return shortened(name, "")
    ending = dot + last
    if ending.lower() in endings:
        return shortened(stem, ending)
    if not ENDING.fullmatch(ending):
        return shortened(name, endings[0])
    return shortened(stem, "" if stem.lower().endswith(endings) else endings[0])


def disposition_of(name: str, *, inline: bool) -> str:
    """Return a Content-Disposition (RFC 6266) with the name twice: in the encoding of RFC 8187, and in ASCII without
    characters that might be decoded, for programs that do not know it."""
    plain = NOT_PLAIN.sub("_", name)
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=utf-8''{quote(name, safe='')}"


def trimmed(name: str) -> str:
    """Return the name without blanks at both ends, and without dots at its end, which Windows removes."""
    return name.lstrip(BLANK).rstrip(f".{BLANK}") or NAMELESS


def shortened(stem: str, ending: str) -> str:
    """Return both together, no longer than MAX_BYTES, cut between characters, and not the name of a device."""
    if RESERVED.match(stem + ending):
        stem = f"_{stem}"
    room = MAX_BYTES - len(ending.encode())
    return trimmed(stem.encode()[:room].decode(errors="ignore")) + ending
