"""The SQL statements of a request, grouped: how often each ran, how long it took, and which line of code caused it.

Values are never recorded, since they may be secrets: only whether a statement ran with the same ones again.
"""

import inspect
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

MAX_GROUPS = 200
MAX_TIMES = 100  # shown of one group
MAX_SQL = 5000  # characters
ROOT = f"{settings.BASE_DIR}/"
# Wrappers of statements, which are on the stack of each.
WRAPPERS = frozenset(
    f"{ROOT}core/{name}"
    for name in ("devpages/statements.py", "devpages/recording.py", "db/slow_statements.py")
)


@dataclass
class Group:
    """The runs of one statement. `values` has a hash of the values of each, in this process only."""

    sql: str
    count: int = 0
    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    values: set[int] = field(default_factory=set)


class Statements:
    """A wrapper of `connection.execute_wrapper` that counts and times the statements that run through it."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.count, self.seconds = 0, 0.0

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            seconds = time.perf_counter() - started
            with suppress(Exception):  # of the `repr` of a value: the statement is not its concern
                self.add(str(sql), repr(params), seconds)

    def add(self, sql: str, values: str, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        if sql not in self.groups and len(self.groups) >= MAX_GROUPS:
            return
        group = self.groups.setdefault(sql, Group(sql))
        group.count += 1
        group.seconds += seconds
        group.values.add(hash(values))
        if len(group.times) < MAX_TIMES:
            group.times.append(round(seconds * 1000, 2))
            if (place := calling_line()) not in group.places:
                group.places.append(place)

    @property
    def repeated(self) -> int:
        """The largest number of runs of one statement."""
        return max((group.count for group in self.groups.values()), default=0)

    def described(self) -> list[dict[str, Any]]:
        return [
            {
                "sql": group.sql[:MAX_SQL],
                "count": group.count,
                "same": group.count - len(group.values),
                "milliseconds": round(group.seconds * 1000, 2),
                "times": group.times,
                "places": group.places,
            }
            for group in self.groups.values()
        ]


def calling_line() -> str:
    """Return `file:line function` of the innermost frame of an app, or of the project where no app is on the stack."""
    frame = inspect.currentframe()
    nearest = ""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(ROOT) and "/site-packages/" not in file and file not in WRAPPERS:
            place = f"{file.removeprefix(ROOT)}:{frame.f_lineno} {frame.f_code.co_name}"
            if not place.startswith("core/"):
                return place
            nearest = nearest or place
        frame = frame.f_back
    return nearest
