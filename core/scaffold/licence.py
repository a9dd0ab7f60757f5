"""The file `LICENSE` under another holder. The text that it came with stays: the MIT licence requires it."""

import re
from collections.abc import Mapping

from django.utils import timezone

KEEP, MIT, PROPRIETARY = "keep", "mit", "proprietary"
KINDS = (KEEP, MIT, PROPRIETARY)
# In the OpenAPI document, where `identifier` is one of SPDX, and in the README.
DESCRIPTIONS: Mapping[str, Mapping[str, str]] = {
    MIT: {"name": "MIT", "identifier": "MIT"},
    PROPRIETARY: {"name": "Proprietary"},
}
PARTS = "Parts of this software have this licence:"
# The text that the project came with, below what `with_holder` adds.
TEXT = re.compile(
    rf"(?:Copyright [^\n]+\n\n{PARTS}\n\n)?MIT License\n\n(?:Copyright [^\n]+\n)?(Copyright [^\n]+\n\nPermission .+)",
    re.DOTALL,
)
YEAR = re.compile(r"^Copyright \(c\) (\d{4}) ", re.MULTILINE)


def with_holder(text: str, kind: str, holder: str) -> str:
    """Return LICENSE under the holder, of the year in which it was first. Raises ValueError for another text."""
    original = TEXT.fullmatch(text)
    if original is None:
        raise ValueError(
            "LICENSE is not the text that this project came with. Write it by hand, and use keep."
        )
    made = [composed(kind, holder, year, original[1]) for year in YEAR.findall(text)]
    return text if text in made else composed(kind, holder, str(timezone.localdate().year), original[1])


def composed(kind: str, holder: str, year: str, original: str) -> str:
    line = f"Copyright (c) {year} {holder}"
    if kind == MIT:
        return f"MIT License\n\n{line}\n{original}"
    return f"{line.rstrip('.')}. All rights reserved.\n\n{PARTS}\n\nMIT License\n\n{original}"
