"""The nightly backup, scheduled where BACKUP_AT is set (config/settings.py)."""

from datetime import timedelta

import structlog
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from core.backups import services as backups
from core.backups.catalogue import delete_expired, finished, place_of_backups
from core.backups.configuration import TASK
from core.backups.programs import BackupError

log = structlog.get_logger(__name__)

REPEATED = timedelta(hours=1)
SECONDS = (
    int(settings.BACKUPS.timeout.total_seconds()) * 3
)  # the backup, its verification, and what goes with them


@shared_task(name=TASK, soft_time_limit=SECONDS, time_limit=SECONDS + 60)
def back_up() -> str | None:
    """Make a backup, verify it, and delete expired ones. Return its name.

    The broker delivers the task again while it runs, since that takes longer than the visibility timeout. A repetition
    does nothing.
    """
    storage = place_of_backups()
    recent = [backup for backup in finished(storage) if not backup.is_of_the_future][-1:]
    if recent and recent[0].made_at > timezone.now() - REPEATED:
        return None
    try:
        backup, _manifest = backups.make(storage)
    except backups.BackupRunningError:
        return None
    problem = backups.verify(backup)["problem"] if settings.BACKUPS.verify else ""
    delete_expired(storage)  # also where a proof fails, or they fill the disk
    if problem:
        raise BackupError(f"The backup {backup.name} was made, but is not proven: {problem}")
    return backup.name
