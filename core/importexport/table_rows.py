"""What the readers of tables have in common: rows, rows that cannot be one, and files that cannot be read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.web.errors import ApiError


class BadTable(ApiError):
    """The file as a whole cannot be taken."""

    code = "VALIDATION_ERROR"

    def __init__(self, message: str, code: str | None = None) -> None:
        details = [{"field": "file", "code": "invalid", "message": message}]
        super().__init__(code, message=message, details=[] if code else details)


@dataclass(frozen=True, slots=True)
class BadRow:
    field: str | None
    code: str
    message: str


Row = dict[str, Any] | BadRow
Rows = Iterator[tuple[int, Row]]
