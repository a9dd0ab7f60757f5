"""The stream of log lines in programs that serve: no line waits for the reader of the log.

A pipe holds 64 KiB. When its reader stops, the next write to it waits, and with it the request, or the event loop; when
the reader has ended, the write fails. So a thread writes, and alone waits or fails.
"""

import atexit
import os
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue

import structlog

MAX_CHARACTERS = 4_000_000  # that wait for the thread
MAX_LINES = 100  # in one write
EXIT_SECONDS = 1.0

log = structlog.get_logger(__name__)


class BackgroundStream:
    """A text stream whose `write` neither waits nor fails. A thread writes to the descriptor.

    Lines beyond MAX_CHARACTERS are dropped. So are lines that the descriptor refuses: its reader has ended, or its disk
    is full. When it takes lines again, `log_lines_dropped` has their number.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.reset()

    def reset(self) -> None:
        """Begin without a thread: a fork copies the object, but not the thread."""
        self.items: SimpleQueue[str | threading.Event] = SimpleQueue()
        self.lock = threading.RLock()  # a signal handler may write a line in the middle of another
        self.waiting = self.dropped = 0
        self.thread: threading.Thread | None = None

    def write(self, text: str) -> None:
        with self.lock:
            if self.waiting + len(text) > MAX_CHARACTERS:
                self.dropped += 1
                return
            self.waiting += len(text)
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, name="log", daemon=True)
                self.thread.start()
            self.items.put(text)

    def flush(self) -> None:
        """Do nothing: a caller that flushes each line must not wait either. See `drain`."""

    def drain(self, seconds: float = EXIT_SECONDS) -> None:
        """Wait until the thread has written every line so far, but not longer than this."""
        if self.thread is not None:
            reached = threading.Event()
            self.items.put(reached)
            reached.wait(seconds)

    def run(self) -> None:
        while True:
            items = [self.items.get()]
            with suppress(Empty):
                while len(items) < MAX_LINES:
                    items.append(self.items.get_nowait())
            self.write_out([item for item in items if isinstance(item, str)])
            for item in items:
                if isinstance(item, threading.Event):
                    item.set()

    def write_out(self, lines: list[str]) -> None:
        text, refused = "".join(lines), 0
        data = text.encode(errors="backslashreplace")
        try:
            while data:
                data = data[os.write(self.descriptor, data) :]
        except OSError:
            refused = len(lines)
        with self.lock:
            self.waiting -= len(text)
            self.dropped += refused
            dropped = 0 if refused else self.dropped
            self.dropped -= dropped
        if dropped:
            log.error("log_lines_dropped", number=dropped)


stderr = BackgroundStream(2)
os.register_at_fork(after_in_child=stderr.reset)
atexit.register(stderr.drain)
