"""The place of backups: a folder or a bucket.

Each backup is a folder there, named by its time:

    20261126T031500Z/database.dump        what `pg_dump` has written, or `database.sqlite3`
    20261126T031500Z/files.tar            the uploaded files
    20261126T031500Z/manifest.json        written last: without it a backup does not count
    20261126T031500Z/verification.json    the result of the last verification

With BACKUP_ENCRYPT the first two are what that command has made of them.
"""

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils import timezone

from core.backups.configuration import ALIAS
from core.backups.programs import BackupError, Stream, blocks
from core.files.storages.disk import DiskStorage

FORM = "%Y%m%dT%H%M%SZ"
NAME = re.compile(r"\d{8}T\d{6}Z")
MANIFEST, VERIFICATION = "manifest.json", "verification.json"
AHEAD = timedelta(hours=1)  # which a clock may be before ours
UNFINISHED = timedelta(days=1)  # after which a backup without a manifest is deleted
CURE = "Check BACKUP_FOLDER or BACKUP_S3_BUCKET, its permissions and its free space."


class Part(File):
    """Bytes that a storage reads once; counted and hashed meanwhile."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__(None, name="")
        self.source, self.length, self.content = chunks, 0, hashlib.sha256()
        self.stream = io.BufferedReader(Stream(self.chunks()))

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        for chunk in self.source:
            self.length += len(chunk)
            self.content.update(chunk)
            yield chunk

    def read(self, size: int = -1) -> bytes:
        return self.stream.read(size)

    def seekable(self) -> bool:
        return False

    def summary(self) -> dict[str, Any]:
        return {"size": self.length, "sha256": self.content.hexdigest()}


@dataclass(frozen=True)
class Backup:
    """One backup in its place."""

    storage: Any
    name: str

    @property
    def made_at(self) -> datetime:
        return datetime.strptime(self.name, FORM).replace(tzinfo=UTC)

    @property
    def is_of_the_future(self) -> bool:
        """Return whether the clock was wrong when it was made, or is wrong now. It is no reason to make no other."""
        return self.made_at > timezone.now() + AHEAD

    def save(self, part: str, chunks: Iterable[bytes]) -> dict[str, Any]:
        """Store a part, and return its name, size and hash."""
        content = Part(chunks)
        try:
            self.storage.save(f"{self.name}/{part}", content)
        except OSError as error:
            raise BackupError(f"{part} cannot be stored: {error}. {CURE}") from error
        return {"name": part, **content.summary()}

    def read(self, part: dict[str, Any]) -> Iterator[bytes]:
        """Yield the stored bytes of a part. Raises BackupError at the end if they are not those of the manifest."""
        content = Part(self.stored(part["name"]))
        yield from content.chunks()
        if content.summary() != {"size": part["size"], "sha256": part["sha256"]}:
            raise BackupError(f"{self.name}/{part['name']} is damaged: its checksum is another one.")

    def stored(self, part: str) -> Iterator[bytes]:
        try:
            with self.storage.open(f"{self.name}/{part}") as file:
                yield from blocks(file)
        except OSError as error:
            raise BackupError(f"{self.name}/{part} cannot be read: {error}. {CURE}") from error

    def save_json(self, part: str, content: dict[str, Any]) -> None:
        body = json.dumps(content, sort_keys=True)
        sealed = json.dumps(
            {"sha256": hashlib.sha256(body.encode()).hexdigest(), "content": content}, sort_keys=True
        )
        try:
            self.storage.delete(f"{self.name}/{part}")
            self.storage.save(f"{self.name}/{part}", ContentFile(sealed.encode()))
        except OSError as error:
            raise BackupError(f"{part} cannot be stored: {error}. {CURE}") from error

    def read_json(self, part: str) -> dict[str, Any]:
        text = b"".join(self.stored(part))
        try:
            sealed = json.loads(text)
            content: dict[str, Any] = sealed["content"]
            body = json.dumps(content, sort_keys=True)
            intact = sealed["sha256"] == hashlib.sha256(body.encode()).hexdigest()
        except (ValueError, KeyError, TypeError) as error:
            raise BackupError(f"{self.name}/{part} is damaged: it cannot be read.") from error
        if not intact:
            raise BackupError(f"{self.name}/{part} is damaged: its checksum is another one.")
        return content

    def manifest(self) -> dict[str, Any]:
        return self.read_json(MANIFEST)

    def verification(self) -> dict[str, Any] | None:
        """Return the result of the last verification: `at`, `ok`, `seconds`, `problem` and, where one has succeeded
        before, `provenAt`."""
        try:
            return self.read_json(VERIFICATION) if VERIFICATION in self.parts() else None
        except BackupError as error:
            return {"at": "", "ok": False, "seconds": 0, "problem": str(error)}

    def parts(self) -> list[str]:
        return list(self.storage.listdir(self.name)[1])

    def delete(self) -> None:
        """Delete it, its manifest first, so that a backup that is deleted in part does not count."""
        for part in sorted(self.parts(), key=lambda part: part != MANIFEST):
            self.storage.delete(f"{self.name}/{part}")
        self.storage.delete(self.name)


def place_of_backups(name: str = "") -> Any:
    """Return the storage of this alias, or of this folder; by default the configured one."""
    if not name and ALIAS not in settings.STORAGES:
        raise BackupError(
            "There is no place for backups. Set BACKUP_FOLDER or BACKUP_S3_BUCKET, or name a folder."
        )
    if (name or ALIAS) in settings.STORAGES:
        return storages[name or ALIAS]
    return DiskStorage(str(Path(name).absolute()))


def names_in(storage: Any) -> list[str]:
    try:
        return sorted(filter(NAME.fullmatch, storage.listdir("")[0]))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BackupError(f"The place of the backups cannot be read: {error}. {CURE}") from error


def finished(storage: Any) -> list[Backup]:
    """Return the backups that have a manifest, oldest first."""
    backups = [Backup(storage, name) for name in names_in(storage)]
    return [backup for backup in backups if MANIFEST in backup.parts()]


def find(storage: Any, name: str = "") -> Backup:
    """Return the backup of this name; by default the newest. Raises BackupError."""
    backups = {backup.name: backup for backup in finished(storage)}
    if not backups or (name and name not in backups):
        known = ", ".join(backups) or "none"
        raise BackupError(f"There is no finished backup{name and ' '}{name}. There are: {known}.")
    return backups[name or max(backups)]


def delete_expired(storage: Any) -> list[str]:
    """Delete backups beyond BACKUP_KEEP and BACKUP_KEEP_DAYS, and what was begun and never finished. Never the newest,
    nor the newest that was verified. Return the names. Those of the future stay and do not count."""
    now = timezone.now()
    finished_ones = finished(storage)
    backups = [backup for backup in finished_ones if not backup.is_of_the_future]
    results = {backup.name: backup.verification() or {} for backup in backups}
    # A verification that could not run, for want of a key, takes nothing from an earlier proof.
    spared = set(list(results)[-1:])
    for proof in ("ok", "provenAt"):
        spared |= set([name for name, result in results.items() if result.get(proof)][-1:])
    oldest = now - timedelta(days=settings.BACKUPS.max_days)
    recent = {backup.name for backup in backups[-settings.BACKUPS.max_number :]}
    expired = [
        backup
        for backup in backups
        if backup.name not in spared and (backup.name not in recent or backup.made_at < oldest)
    ]
    known = {backup.name for backup in finished_ones}
    begun = [Backup(storage, name) for name in names_in(storage) if name not in known]
    expired += [backup for backup in begun if backup.made_at < now - UNFINISHED]
    for backup in expired:
        try:
            backup.delete()
        except OSError as error:
            raise BackupError(f"{backup.name} has expired, and cannot be deleted: {error}. {CURE}") from error
    return [backup.name for backup in expired]
