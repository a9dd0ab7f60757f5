"""The state of the backups, for `manage.py doctor`."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from core.backups.catalogue import Backup, finished, place_of_backups
from core.backups.configuration import ALIAS
from core.backups.programs import BackupError

OK, WARNING, FAILED = "ok", "warning", "failed"
MAX_AGE = timedelta(hours=26)  # a night, and the time that a backup takes
MAX_PROOF_AGE = timedelta(days=8)


def backup_findings() -> Iterator[tuple[str, str, str]]:
    """Yield (status, text, cure) of each finding."""
    if ALIAS not in settings.STORAGES:
        cure = "Set BACKUP_FOLDER or BACKUP_S3_BUCKET, and BACKUP_AT (docs/operations.md, Backups)."
        yield (OK, "none, as DEBUG is on", "") if settings.DEBUG else (WARNING, "none are configured", cure)
        return
    try:
        backups = finished(place_of_backups())
    except (BackupError, OSError) as error:
        yield FAILED, str(error), "Check BACKUP_FOLDER or BACKUP_S3_BUCKET, and that it can be reached."
        return
    if future := [backup.name for backup in backups if backup.is_of_the_future]:
        text = f"the clock was wrong or is: {', '.join(future)[:200]}"
        yield WARNING, text, "Compare the time with `date -u`. If it is right, delete these folders by hand."
    backups = [backup for backup in backups if not backup.is_of_the_future]
    if not backups:
        yield WARNING, "there is none yet", "Run `manage.py backup`, and `manage.py backup_verify`."
        return
    yield age_of(backups[-1])
    results = [(backup, result) for backup in backups if (result := backup.verification())]
    yield proof_of(results)


def age_of(newest: Backup) -> tuple[str, str, str]:
    hours = (timezone.now() - newest.made_at).total_seconds() / 3600
    text = f"the newest is {newest.name}, {hours:.0f} h old"
    if hours <= MAX_AGE.total_seconds() / 3600:
        return OK, text, ""
    if settings.BACKUPS.schedule:
        return FAILED, text, "Look for `core.backup` in the log of the worker, and run `manage.py backup`."
    return WARNING, text, "Run `manage.py backup`, and set BACKUP_AT for one each night."


def proof_of(results: list[tuple[Backup, dict[str, Any]]]) -> tuple[str, str, str]:
    cure = "Run `manage.py backup_verify`."
    if not results:
        return WARNING, "no verification was ever made", cure
    backup, result = results[-1]
    if not result["ok"]:
        problem = f"the verification of {backup.name} failed: {result['problem']}"
        return FAILED, problem[:300], "Cure that, make another by `manage.py backup`, and verify it."
    text = f"{backup.name} was verified, which took {result['seconds']} s"
    old = datetime.fromisoformat(result["at"]) < timezone.now() - MAX_PROOF_AGE
    return (WARNING, f"{text}; that is long ago", cure) if old else (OK, text, "")
