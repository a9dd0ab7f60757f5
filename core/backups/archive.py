"""The uploaded files of a backup, as one tar file, which is written and read as a stream."""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from typing import IO, Any
from uuid import UUID

from core.backups.programs import BackupError, Stream, blocks
from core.files import services as files
from core.files.models import StoredFile

RECORD = 512


class Archive:
    """The files of these rows of StoredFile, (id, size) each.

    `entries` has the name, size and hash of each file that was written, and `lost` the names of those that the storage
    does not have: they were lost before, and must not prevent the backup of the others.
    """

    def __init__(self, rows: list[tuple[Any, int]]) -> None:
        self.rows = rows
        self.entries: list[list[Any]] = []
        self.lost: list[str] = []

    def chunks(self) -> Iterator[bytes]:
        for key, size in self.rows:
            name = StoredFile(pk=UUID(str(key))).name
            try:
                with files.storage.open(name, "rb") as file:
                    yield from self.member(name, size, file)
            except FileNotFoundError:
                self.lost.append(name)
            except OSError as error:
                raise BackupError(
                    f"{name} cannot be read: {error}. Check MEDIA_ROOT or S3_BUCKET."
                ) from error
        yield bytes(2 * RECORD)

    def member(self, name: str, size: int, file: IO[bytes]) -> Iterator[bytes]:
        info = tarfile.TarInfo(name)
        info.size = size
        yield info.tobuf()
        content, length = hashlib.sha256(), 0
        for block in blocks(file):
            content.update(block)
            length += len(block)
            yield block
        if length != size:
            raise BackupError(f"The file {name} has {length} bytes, and {size} in the database.")
        yield bytes(-size % RECORD)
        self.entries.append([name, size, content.hexdigest()])


def members(chunks: Iterator[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the name and the content of each file. Reads to the end, so that the source can check all of it."""
    try:
        stream = io.BufferedReader(Stream(chunks))
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is not None:
                    yield member.name, content
        for _rest in blocks(stream):
            pass
    except tarfile.TarError as error:
        raise BackupError(f"The archive of the files is damaged: {error}") from error


def check(chunks: Iterator[bytes], entries: list[list[Any]]) -> None:
    """Compare the files of an archive with the manifest. Raises BackupError."""
    expected = {str(name): tuple(rest) for name, *rest in entries}
    actual = {name: summary(content) for name, content in members(chunks)}
    if names := sorted(name for name in expected.keys() | actual if expected.get(name) != actual.get(name)):
        raise BackupError(f"{len(names)} files differ from the manifest: {', '.join(names[:3])}")


def summary(content: IO[bytes]) -> tuple[int, str]:
    digest, length = hashlib.sha256(), 0
    for block in blocks(content):
        digest.update(block)
        length += len(block)
    return length, digest.hexdigest()
