"""Making, proving and restoring backups. The commands and the nightly task call these functions.

A backup is of one moment: the database's snapshot, and the files that its rows name. A file never changes, and none is
deleted while the backup has the hold of core/files/holds.py, so the copy of a file is that of the moment too.
"""

import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import structlog
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from core.backups import archive, postgresql, settlement, sqlite
from core.backups.catalogue import FORM, MANIFEST, VERIFICATION, Backup, Part, names_in
from core.backups.programs import BackupError, blocks, piped
from core.files import services as files
from core.files.holds import AlreadyHeldError, Hold, HoldLostError
from core.files.models import StoredFile

log = structlog.get_logger(__name__)

FORMAT = 1
FILES = "files.tar"
FILE_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}")
IN_USE = (
    f"SELECT id, size FROM {StoredFile._meta.db_table} WHERE state = '{StoredFile.State.IN_USE}' ORDER BY id"  # noqa: S608
)
MIGRATIONS = "SELECT app, name FROM django_migrations ORDER BY app, name"


class BackupRunningError(BackupError):
    """Another process makes a backup."""


def engine() -> ModuleType:
    return postgresql if connection.vendor == postgresql.VENDOR else sqlite


@contextmanager
def work_folder() -> Iterator[Path]:
    """Make a temporary folder. Raises BackupError when it is full."""
    with tempfile.TemporaryDirectory(prefix="backup-") as folder:
        try:
            yield Path(folder)
        except OSError as error:
            raise BackupError(
                f"{error}. Check the free space and the permissions of TMPDIR ({tempfile.gettempdir()})."
            ) from error


# --- making ----------------------------------------------------------------------------------------


def make(storage: Any) -> tuple[Backup, dict[str, Any]]:
    """Make a backup, and return it with its manifest. Raises BackupError, and then no part of it is left."""
    try:
        with Hold() as hold:
            backup = Backup(storage, timezone.now().strftime(FORM))
            if backup.name in names_in(storage):
                raise BackupError(f"{backup.name} exists already.")
            return backup, write(backup, hold)
    except AlreadyHeldError as error:
        raise BackupRunningError(
            "Another backup is being made; one that was killed blocks for a minute."
        ) from error
    except DatabaseError as error:
        raise BackupError(f"The database fails: {error}. Check DATABASE_URL, and run `migrate`.") from error
    except HoldLostError as error:
        raise BackupError(
            "The database was away for too long, so that files may have been deleted."
        ) from error


def write(backup: Backup, hold: Hold) -> dict[str, Any]:
    """Write all parts, the manifest last, and return its content."""
    started = time.monotonic()
    try:
        with work_folder() as work:
            content = contents(backup, work)
            hold.check()
            content |= {"seconds": round(time.monotonic() - started, 2)}
            backup.save_json(MANIFEST, content)
    except BaseException:
        with suppress(OSError):
            backup.delete()
        raise
    log.info("backup_made", backup=backup.name, duration=round((time.monotonic() - started) * 1000, 1))
    return content


def contents(backup: Backup, work: Path) -> dict[str, Any]:
    """Store the parts of a backup, and return its manifest."""
    database = engine()
    with database.snapshot(work) as snapshot:
        dump = backup.save(database.DUMP, encrypted(snapshot.dump()))
        tables = snapshot.tables()
        migrations = [f"{app}.{name}" for app, name in snapshot.rows(MIGRATIONS)]
        rows = snapshot.rows(IN_USE)
    uploaded = archive.Archive(rows)
    packed = backup.save(FILES, encrypted(uploaded.chunks()))
    for name in uploaded.lost:
        log.error("file_lost", file=name)
    return {
        "format": FORMAT,
        "product": settings.PRODUCT_NAME,
        "version": settings.VERSION,
        "commit": commit(),
        "contract": settings.SPECTACULAR_SETTINGS["VERSION"],
        "madeAt": backup.made_at.isoformat(),
        "encrypted": bool(settings.BACKUPS.encrypt),
        "database": {"vendor": database.VENDOR, **dump},
        "migrations": migrations,
        "tables": tables,
        "archive": packed,
        "files": uploaded.entries,
        "lost": uploaded.lost,
    }


def commit() -> str | None:
    """Return the commit of the working tree, if this is one."""
    if not (settings.BASE_DIR / ".git").exists():
        return None
    command = ["git", "rev-parse", "HEAD"]
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.check_output(command, cwd=settings.BASE_DIR, text=True, timeout=10).strip()  # noqa: S603
    return None


def encrypted(chunks: Iterator[bytes]) -> Iterator[bytes]:
    return piped(chunks, settings.BACKUPS.encrypt, variable="BACKUP_ENCRYPT")


# --- proving ---------------------------------------------------------------------------------------


def checked_manifest(backup: Backup) -> dict[str, Any]:
    """Return the manifest. Raises BackupError if it is damaged, or cannot be restored here."""
    manifest = backup.manifest()
    if manifest.get("format") != FORMAT:
        raise BackupError(
            f"{backup.name} has the format {manifest.get('format')}, which this release cannot read."
        )
    vendor = manifest["database"]["vendor"]
    if vendor != engine().VENDOR:
        raise BackupError(f"{backup.name} is of {vendor}, and DATABASE_URL names another kind of database.")
    parts = [manifest["database"]["name"], manifest["archive"]["name"]]
    names = [str(name) for name, *_rest in manifest["files"]]
    if parts != [engine().DUMP, FILES] or not all(map(FILE_NAME.fullmatch, names)):
        raise BackupError(f"{backup.name}/{MANIFEST} is damaged: it names files that no backup has.")
    if manifest["encrypted"] and not settings.BACKUPS.decrypt:
        raise BackupError(f"{backup.name} is encrypted. Set BACKUP_DECRYPT.")
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    apps = {name.partition(".")[0] for name in known}  # the tables of an app that was removed may stay
    later = [name for name in manifest["migrations"] if name not in known and name.partition(".")[0] in apps]
    if later:
        raise BackupError(
            f"{backup.name} is of a later release, {manifest['version']}: install that. {later[0]} is not known here."
        )
    return manifest


def decrypted(backup: Backup, manifest: dict[str, Any], part: dict[str, Any]) -> Iterator[bytes]:
    """Yield a part as it was before encryption. Raises BackupError at the end if the stored bytes are damaged."""
    command = settings.BACKUPS.decrypt if manifest["encrypted"] else []
    return piped(backup.read(part), command, variable="BACKUP_DECRYPT")


def prove(backup: Backup, manifest: dict[str, Any], work: Path) -> Path:
    """Compare everything with the manifest. Return the file of the database. Raises BackupError."""
    dump = work / engine().DUMP
    with dump.open("wb") as file:
        for chunk in decrypted(backup, manifest, manifest["database"]):
            file.write(chunk)
    archive.check(decrypted(backup, manifest, manifest["archive"]), manifest["files"])
    return dump


def verify(backup: Backup) -> dict[str, Any]:
    """Restore into a scratch database, compare it with the manifest, store the result in the backup and return it.

    One that could not run has failed, whatever the cause.
    """
    started = time.monotonic()
    problem = ""
    try:
        manifest = checked_manifest(backup)
        with work_folder() as work:
            compare(prove(backup, manifest, work), manifest, work)
    except BackupError as error:
        problem = str(error)
    except Exception as error:
        log.exception("backup_verification_failed", backup=backup.name)
        problem = f"{type(error).__name__}: {error}"
    at = timezone.now().isoformat()
    result = {
        "at": at,
        "ok": not problem,
        "seconds": round(time.monotonic() - started, 2),
        "problem": problem,
        "provenAt": at if not problem else (backup.verification() or {}).get("provenAt"),
    }
    backup.save_json(VERIFICATION, result)
    log.info("backup_verified", backup=backup.name, ok=result["ok"], problem=problem)
    return result


def compare(dump: Path, manifest: dict[str, Any], work: Path) -> None:
    database = engine()
    with database.scratch(work) as name:
        database.load(dump, name)
        with database.snapshot(work, name) as snapshot:
            tables = snapshot.tables()
    expected = manifest["tables"]
    if different := sorted(
        name for name in expected.keys() | tables.keys() if expected.get(name) != tables.get(name)
    ):
        raise BackupError(f"After the restore these tables differ from the manifest: {', '.join(different)}")


# --- restoring -------------------------------------------------------------------------------------


def restore(backup: Backup, *, keeps_mail: bool, confirm: Callable[[dict[str, Any]], None]) -> dict[str, int]:
    """Replace database and files by those of the backup, and return what was settled (core/backups/settlement.py).

    Everything is proven first. Then `confirm` is called, which raises an exception to stop. Raises BackupError.
    """
    manifest = checked_manifest(backup)
    database = engine()
    if others := database.others_at_work():
        raise BackupError(
            f"Something uses the database: {others}. Stop the web server, workers and beat first."
        )
    with work_folder() as work:
        dump = prove(backup, manifest, work)
        confirm(manifest)
        put_back(backup, manifest)
        if others := database.others_at_work():
            raise BackupError(f"Something uses the database again: {others}. Nothing in it was changed.")
        database.load(dump)
    try:
        call_command("migrate", interactive=False, verbosity=0)
        settled = settlement.settle(backup.name, keeps_mail=keeps_mail)
    except BaseException as error:
        raise BackupError(
            f"The data is back, but sessions and links of that time are valid: {error}. Start nothing, restore again."
        ) from error
    log.info("backup_restored", backup=backup.name, **settled)
    return settled


def put_back(backup: Backup, manifest: dict[str, Any]) -> None:
    """Store the files that the storage lacks, or has with another content. Others stay, for `sweep_files`."""
    expected = {name: [size, digest] for name, size, digest in manifest["files"]}
    for name, content in archive.members(decrypted(backup, manifest, manifest["archive"])):
        if stored_summary(name) == expected.get(name):
            continue
        part = Part(blocks(content))
        try:
            files.storage.delete(name)
            files.storage.save(name, part)
        except OSError as error:
            raise BackupError(f"{name} cannot be stored: {error}. Check MEDIA_ROOT or S3_BUCKET.") from error
        if list(part.summary().values()) != expected.get(name):
            raise BackupError(f"{name} has changed since it was proven.")


def stored_summary(name: str) -> list[Any] | None:
    try:
        with files.storage.open(name, "rb") as file:
            return list(archive.summary(file))
    except FileNotFoundError:
        return None
