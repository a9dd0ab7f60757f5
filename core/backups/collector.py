"""The state of the backups for Prometheus."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.backups.catalogue import finished, place_of_backups
from core.backups.configuration import ALIAS
from core.backups.programs import BackupError
from core.web.metrics import database_registry

CACHED_SECONDS = 60  # a bucket is listed over the network


class BackupCollector(Collector):
    """Times of the last backup and the last verification, its result, and how long its restore took.

    The place of backups is read at most once in CACHED_SECONDS by each process.
    """

    def __init__(self) -> None:
        self.read_at = -float(CACHED_SECONDS)
        self.values: dict[str, float] = {}

    def collect(self) -> Iterator[Any]:
        if ALIAS not in settings.STORAGES:
            return
        if time.monotonic() - self.read_at >= CACHED_SECONDS:
            self.values, self.read_at = state(), time.monotonic()
        for name, text in TEXTS.items():
            if name in self.values:
                yield GaugeMetricFamily(name, text, value=self.values[name])


TEXTS = {
    "backup_place_readable": "1 if the place of the backups could be read, else 0",
    "backup_last_timestamp_seconds": "When the newest backup was made",
    "backup_verified_timestamp_seconds": "When a backup was last verified",
    "backup_verification_ok": "1 if that found no problem, else 0",
    "backup_restore_seconds": "How long the restore of that verification took",
}


def state() -> dict[str, float]:
    """Return the values of TEXTS; those of what has never been made are left out."""
    try:
        backups = [backup for backup in finished(place_of_backups()) if not backup.is_of_the_future]
        results = [result for backup in backups if (result := backup.verification())]
    except (BackupError, OSError):
        return {"backup_place_readable": 0}
    values: dict[str, float] = {"backup_place_readable": 1}
    if backups:
        values["backup_last_timestamp_seconds"] = backups[-1].made_at.timestamp()
    if results:
        last = results[-1]
        values["backup_verification_ok"] = float(last["ok"])
        if last["at"]:  # a result that is damaged has no time
            values["backup_verified_timestamp_seconds"] = datetime.fromisoformat(last["at"]).timestamp()
            values["backup_restore_seconds"] = float(last["seconds"])
    return values


database_registry.register(BackupCollector())
