"""Turns: how many requests of a process run at once, however many it holds.

Python runs one thread at a time, and many that want to run slow each other down: twenty threads serve a third less
than one. But a thread must also be there for whoever waits for a slow hash, a picture, a lock of the database or a
client that sends its body byte by byte. So requests stand in line for a turn, and a thread is found for whoever has
one: that which worked last, whose connections and memory are warm. Who waits for something else steps aside, and who
takes long is no longer waited for.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.conf import settings
from django.db import connections

Job = Callable[[], object]

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 0.02
IDLE_SECONDS = 60.0


class Worker:
    """A thread, and what it is to do next."""

    __slots__ = ("has_turn", "job", "since", "wake")

    def __init__(self) -> None:
        self.wake = threading.Lock()  # held while there is nothing to do
        self.wake.acquire()
        self.job: Job | None = None
        self.has_turn, self.since = False, 0.0


class Turns:
    """`number` of them, and at most `threads` that take them. Threads come as they are needed, and go when idle."""

    def __init__(self, number: int, threads: int) -> None:
        self.threads = threads
        self._lock = threading.Lock()
        self._free = number
        self._line: deque[Job | Worker] = deque()  # new ones, and those that come back from aside
        self._working: set[Worker] = set()  # with a turn
        self._idle: list[Worker] = []
        self._started = 0
        self._mine = threading.local()
        self._crowded = threading.Event()
        self._watching = False

    def submit(self, job: Job) -> None:
        """Do it as soon as there is a turn and a thread. Returns at once."""
        with self._lock:
            self._line.append(job)
            self._hand_out()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Wait inside it for what takes its time and none of this process's."""
        worker: Worker | None = getattr(self._mine, "worker", None)
        if worker is None or not worker.has_turn:
            yield
            return
        self.leave()
        try:
            yield
        finally:
            with self._lock:
                self._line.append(worker)
                self._hand_out()
            worker.wake.acquire()

    def leave(self) -> None:
        """What is left of this job needs no turn."""
        worker: Worker | None = getattr(self._mine, "worker", None)
        if worker is not None:
            with self._lock:
                self._end_turn(worker)
                self._hand_out()

    # --- with the lock held -------------------------------------------------------------------

    def _end_turn(self, worker: Worker) -> None:
        if worker.has_turn:
            worker.has_turn = False
            self._working.discard(worker)
            self._free += 1

    def _hand_out(self) -> None:
        while self._free and self._line:
            first = self._line[0]
            worker = first if isinstance(first, Worker) else self._thread()
            if worker is None:
                break
            self._line.popleft()
            if worker is not first:
                worker.job = first  # type: ignore[assignment]
            self._free -= 1
            worker.has_turn, worker.since = True, time.monotonic()
            self._working.add(worker)
            worker.wake.release()
        if self._line:
            self._watch()

    def _thread(self) -> Worker | None:
        if self._idle:
            return self._idle.pop()
        if self._started >= self.threads:
            return None
        self._started += 1
        worker = Worker()
        threading.Thread(target=self._work, args=(worker,), name="request", daemon=True).start()
        return worker

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            threading.Thread(target=self._pass_over_the_slow, name="turns", daemon=True).start()
        if not self._crowded.is_set():
            self._crowded.set()

    # --- threads ------------------------------------------------------------------------------

    def _work(self, worker: Worker) -> None:
        self._mine.worker = worker
        while True:
            if not worker.wake.acquire(timeout=IDLE_SECONDS):
                if self._go(worker):
                    break
                continue
            job, worker.job = worker.job, None
            assert job is not None  # noqa: S101 - who wakes a thread has given it one
            try:
                job()
            except BaseException:  # the thread outlives it
                log.exception("request_failed_outside_of_django")
            with self._lock:
                self._end_turn(worker)
                self._idle.append(worker)
                self._hand_out()
        connections.close_all()

    def _go(self, worker: Worker) -> bool:
        with self._lock:
            if worker not in self._idle:  # it has just been given something
                return False
            self._idle.remove(worker)
            self._started -= 1
            return True

    def _pass_over_the_slow(self) -> None:
        """A request that waits for the database, or computes for long, must not keep the others of its process
        waiting: it goes on without a turn."""
        while True:
            self._crowded.wait()
            time.sleep(PATIENCE_SECONDS)
            with self._lock:
                latest = time.monotonic() - PATIENCE_SECONDS
                for worker in [worker for worker in self._working if worker.since < latest]:
                    self._end_turn(worker)
                self._hand_out()
                if not self._line:
                    self._crowded.clear()


turns = Turns(settings.WEB_TURNS, settings.WEB_THREADS)
