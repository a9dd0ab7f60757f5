"""The text of a key: `gw_`, 43 random characters (256 bits), and 6 of a checksum.

The form is that of GitHub's tokens. A secret scanner finds it by PATTERN, and by the checksum it knows without a
request that what it has found is a key.
"""

import re
import secrets
import zlib
from string import ascii_letters, digits

from accounts.tokens import API_KEY_PREFIX

ALPHABET = digits + ascii_letters
PREFIX = API_KEY_PREFIX
RANDOM_CHARACTERS, CHECKSUM_CHARACTERS = 43, 6
PATTERN = rf"\b{PREFIX}[0-9A-Za-z]{{{RANDOM_CHARACTERS + CHECKSUM_CHARACTERS}}}\b"
KEY = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{RANDOM_CHARACTERS + CHECKSUM_CHARACTERS}}}")
SHOWN_CHARACTERS = len(PREFIX) + 8  # by which its user recognises a key


def new_secret() -> str:
    body = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARACTERS))
    return body + checksum(body)


def checksum(body: str) -> str:
    """Return the CRC-32 of the text in six characters of ALPHABET."""
    number, characters = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_CHARACTERS):
        number, rest = divmod(number, len(ALPHABET))
        characters = ALPHABET[rest] + characters
    return characters


def is_well_formed(text: str) -> bool:
    """Return whether the text has the form and the checksum of a key."""
    return (
        KEY.fullmatch(text) is not None
        and checksum(text[:-CHECKSUM_CHARACTERS]) == text[-CHECKSUM_CHARACTERS:]
    )
