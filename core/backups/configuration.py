"""The variables of the backups. Imported by config/settings.py before Django is ready."""

import re
import shlex
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery.schedules import crontab
from environs import validate

from core.web.environment import Environment, bucket_options, folder_storage

ALIAS = "backups"
TASK = "core.backup"
TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
POSITIVE = validate.Range(min=0, min_inclusive=False)


@dataclass(frozen=True)
class BackupSettings:
    storages: dict[str, Any]  # a part of STORAGES
    schedule: dict[str, Any]  # a part of CELERY_BEAT_SCHEDULE
    encrypt: list[str]
    decrypt: list[str]
    max_number: int
    max_days: int
    verify: bool
    timeout: timedelta


def backup_settings(env: Environment, base: Path) -> BackupSettings:
    folder, bucket = env.str("BACKUP_FOLDER", ""), bucket_options(env, "BACKUP_")
    storages: dict[str, Any] = {}
    if bucket:
        storages[ALIAS] = {"BACKEND": "core.backups.bucket.BackupBucket", "OPTIONS": bucket}
    if folder:
        storages[ALIAS] = folder_storage(base / folder)
    if folder and bucket:
        env.refuse("BACKUP_FOLDER", "cannot be set together with BACKUP_S3_BUCKET: choose one")
    schedule: dict[str, Any] = {}
    if at := env.str("BACKUP_AT", ""):
        time = TIME.fullmatch(at)
        if time is None:
            env.refuse("BACKUP_AT", "must be a time in UTC, like 03:15")
        elif not storages:
            env.refuse("BACKUP_AT", "needs BACKUP_FOLDER or BACKUP_S3_BUCKET")
        else:
            nightly = crontab(hour=str(int(time[1])), minute=str(int(time[2])))
            schedule["backup"] = {"task": TASK, "schedule": nightly, "options": {"expires": 3600}}
    return BackupSettings(
        storages=storages,
        schedule=schedule,
        encrypt=command(env, "BACKUP_ENCRYPT"),
        decrypt=command(env, "BACKUP_DECRYPT"),
        max_number=env.int("BACKUP_KEEP", 30, validate=POSITIVE) or 30,
        max_days=env.int("BACKUP_KEEP_DAYS", 30, validate=POSITIVE) or 30,
        verify=bool(env.bool("BACKUP_VERIFY", True)),
        timeout=timedelta(minutes=env.float("BACKUP_TIMEOUT_MINUTES", 120, validate=POSITIVE) or 120),
    )


def command(env: Environment, name: str) -> list[str]:
    """Return a command as a list of arguments. It is run without a shell."""
    try:
        return shlex.split(env.str(name, "") or "")
    except ValueError as error:
        env.refuse(name, f"is not a command: {error}")
        return []
