"""Progress of long commands: one line of a terminal that is written again. To a file or a pipe nothing is written."""

import time
from typing import Any, Self

INTERVAL_SECONDS = 0.1
BAR = 24  # characters
CLEAR = "\r\x1b[K"  # ECMA-48: erase the line


class Progress:
    """Bar of something that is counted. Use as a context manager, and call it with the number so far."""

    def __init__(self, stream: Any, title: str, total: int) -> None:
        self.stream, self.title, self.total = stream, title, total
        self.next_write_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.write(CLEAR)

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now < self.next_write_at:
            return
        self.next_write_at = now + INTERVAL_SECONDS
        share = min(done / self.total, 1.0) if self.total else 1.0
        bar = f"{'#' * int(share * BAR):<{BAR}}"
        self.write(f"{CLEAR}{self.title} [{bar}] {share:4.0%}  {done:,} of {self.total:,}")

    def write(self, text: str) -> None:
        if self.stream.isatty():
            self.stream.write(text, ending="")
            self.stream.flush()
