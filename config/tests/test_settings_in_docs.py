"""The documentation names the setting where one decides about a time or a size."""

import re

from django.conf import settings

PAGES = [settings.BASE_DIR / "README.md", *sorted((settings.BASE_DIR / "docs").glob("*.md"))]
DEFAULTS = re.compile(r"\b30 days|\b10 MiB")  # of the retentions, of a session, and of a file
NAMES = re.compile(r"[A-Z]+_RETENTION_DAYS|SESSION_MAX_DAYS|MAX_UPLOAD_MB|by default")
# Lines about what no setting decides: failed outbox messages, and the advice of a standard.
OTHERS = (
    "| outbox messages | 7 days after they were done, 30 days after they failed |",
    "  30 days with one factor (AAL1);",
)


def test_a_default_is_written_with_its_setting():
    silent = [
        f"{page.name}:{number}: {line}"
        for page in PAGES
        for number, line in enumerate(page.read_text().splitlines(), start=1)
        if DEFAULTS.search(line) and not NAMES.search(line) and not line.startswith(OTHERS)
    ]

    assert silent == []
