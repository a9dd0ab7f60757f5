"""The list of local apps, as a file that is edited by line."""

import re
from pathlib import Path

from django.conf import settings

BEGINNING = re.compile(r"^LOCAL_APPS\b.*\[\n", re.MULTILINE)


def path() -> Path:
    return Path(settings.BASE_DIR) / "config" / "local_apps.py"


def line_of(app: str) -> str:
    return f'    "{app}",\n'


def has(app: str) -> bool:
    return line_of(app) in path().read_text()


def with_line(app: str) -> str:
    """Return the text with the app as the first one. Raises ValueError where the file has no list in lines."""
    text = path().read_text()
    beginning = BEGINNING.search(text)
    if beginning is None:
        raise ValueError(f"{path().name} has no line `LOCAL_APPS: list[str] = [`")
    return text[: beginning.end()] + line_of(app) + text[beginning.end() :]


def without_line(app: str) -> str:
    """Return the text without the line of the app. Raises ValueError where it has none."""
    text = path().read_text()
    if text.count(line_of(app)) != 1:
        raise ValueError(f"{path().name} has no line {line_of(app).strip()}")
    return text.replace(line_of(app), "")
