"""Turns: how many requests of a process run at once, however many it holds.

Python runs one thread at a time, and many that want to run slow each other down: 32 threads serve a third less than
one. But a thread must also be there for whoever waits for a slow hash, a picture or a client that sends its body byte
by byte. So the server keeps many threads, and those that run take turns; who waits for something else steps aside.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Turns:
    """`number` of them, given to whoever has waited longest; 0: nobody waits for one."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._lock = threading.Lock()
        self._free = number
        self._line: deque[threading.Lock] = deque()
        self._mine = threading.local()

    def take(self) -> None:
        called = None
        with self._lock:
            if self._free:
                self._free -= 1
            else:
                called = threading.Lock()
                called.acquire()
                self._line.append(called)
        if called is not None:
            called.acquire()  # until `give` lets go of it
        self._mine.taken = True

    def give(self) -> None:
        self._mine.taken = False
        with self._lock:
            if self._line:
                # Handed over, not put down: the next one in line would lose it to a thread that is awake.
                self._line.popleft().release()
            else:
                self._free += 1

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Wait inside it for what takes its time and none of this process's."""
        if not getattr(self._mine, "taken", False):
            yield
            return
        self.give()
        try:
            yield
        finally:
            self.take()

    def around(self, application: Application) -> Application:
        """A WSGI application whose requests take turns. A body that is streamed is sent outside of any."""
        if not self.number:
            return application

        def limited(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if environ.get("CONTENT_LENGTH", "0") not in {"", "0"}:
                environ["wsgi.input"] = UnhurriedBody(environ["wsgi.input"], self)
            self.take()
            try:
                return application(environ, start_response)
            finally:
                self.give()

        return limited


class UnhurriedBody:
    """A request's body, which comes as fast as its client sends it."""

    def __init__(self, stream: Any, turns: Turns) -> None:
        self._stream, self._turns = stream, turns

    def read(self, *size: int) -> bytes:
        with self._turns.aside():
            taken: bytes = self._stream.read(*size)
            return taken

    def readline(self, *size: int) -> bytes:
        with self._turns.aside():
            line: bytes = self._stream.readline(*size)
            return line


turns = Turns(settings.WEB_TURNS)
