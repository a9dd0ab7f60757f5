"""Programs that a backup runs: those of PostgreSQL, and the commands that encrypt and decrypt.

Bytes pass through pipes, without a shell. A program that runs for longer than BACKUP_TIMEOUT_MINUTES is killed.
"""

import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from django.conf import settings

BLOCK = 1024 * 1024


class BackupError(Exception):
    """A backup, verification or restore that failed. The message is for the operator, and names the cure."""


@contextmanager
def ended_cleanly() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that no copy of the data stays in TMPDIR or on the server."""
    before = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def started(
    command: Sequence[str], *, variable: str, environment: Mapping[str, str] | None = None, **pipes: Any
) -> Iterator[Any]:
    """Run a program until the block ends. Raises BackupError if it cannot be started, or fails. `variable` is what the
    operator sets to cure that. The program is killed if the block fails."""
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(  # noqa: S603 - the command is the operator's, as a list
                command,
                env={**os.environ, **(environment or {})},
                stderr=errors,
                stdin=pipes.get("stdin", subprocess.DEVNULL),
                stdout=pipes.get("stdout", subprocess.DEVNULL),
            )
        except OSError as error:
            raise BackupError(
                f"{command[0]} cannot be started: {error.strerror}. Check {variable}."
            ) from error
        late, broken = threading.Event(), False
        timer = threading.Timer(settings.BACKUPS.timeout.total_seconds(), end, [process, late])
        timer.daemon = True
        timer.start()
        try:
            try:
                yield process
            except BrokenPipeError:  # the cause is in its exit status
                broken = True
            close(process.stdin, process.stdout)
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
            close(process.stdin, process.stdout)
            process.wait()
        if late.is_set():
            raise BackupError(f"{command[0]} was killed after BACKUP_TIMEOUT_MINUTES.")
        if broken and not code:
            raise BackupError(f"{command[0]} did not read to the end. Check {variable}.")
        if code:
            errors.seek(0)
            lines = errors.read()[-2000:].decode(errors="replace").strip().splitlines()[-5:]
            raise BackupError(f"{command[0]} failed with {code}: {' '.join(lines)} Check {variable}.")


def end(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


def close(*pipes: IO[bytes] | None) -> None:
    for pipe in pipes:
        with suppress(BrokenPipeError):
            if pipe is not None:
                pipe.close()


def output_of(command: Sequence[str], **options: Any) -> Iterator[bytes]:
    """Yield what the program writes. Raises BackupError after the last byte if it has failed."""
    with started(command, stdout=subprocess.PIPE, **options) as process:
        yield from blocks(process.stdout)


def feed(command: Sequence[str], chunks: Iterable[bytes], **options: Any) -> None:
    """Write these bytes to the program. If they end with an exception, it is killed before it sees their end."""
    with started(command, stdin=subprocess.PIPE, **options) as process:
        for chunk in chunks:
            process.stdin.write(chunk)
        process.stdin.flush()


def piped(chunks: Iterable[bytes], command: Sequence[str], *, variable: str) -> Iterator[bytes]:
    """Yield what the command makes of these bytes; the bytes themselves if there is no command."""
    if not command:
        yield from chunks
        return
    failures: list[BaseException] = []

    def write(pipe: IO[bytes]) -> None:
        try:
            for chunk in chunks:
                pipe.write(chunk)
            pipe.flush()
        except BaseException as error:
            failures.append(error)
        finally:
            close(pipe)

    with started(command, variable=variable, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        writer = threading.Thread(target=write, args=[process.stdin], daemon=True)
        writer.start()
        yield from blocks(process.stdout)
        writer.join()
        if failures:
            raise failures[0]  # a broken pipe is handled as in every block


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


class Stream(io.RawIOBase):
    """A readable file of an iterator of bytes."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.source = iter(chunks)
        self.rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.rest:
            try:
                self.rest = next(self.source)
            except StopIteration:
                return 0
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size
