"""Retention, and what doctor reports about the backups."""

import dataclasses
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from core.backups.catalogue import FORM, Backup, delete_expired, finished
from core.backups.collector import BackupCollector
from core.backups.findings import backup_findings
from core.backups.programs import BackupError
from core.files.storages.disk import DiskStorage


@pytest.fixture
def place(settings, tmp_path):
    """Configure an empty folder for backups; return its storage."""
    folder = {"BACKEND": "core.files.storages.disk.DiskStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "backups": folder}
    return DiskStorage(str(tmp_path))


@pytest.fixture
def configure(settings):
    def to(**values):
        settings.BACKUPS = dataclasses.replace(settings.BACKUPS, **values)

    return to


def backup(place, *, hours, manifest=True, ok=None, proven_hours=0):
    """Make a backup of so many hours ago."""
    made = Backup(place, (timezone.now() - timedelta(hours=hours)).strftime(FORM))
    made.save("files.tar", [b"content"])
    if manifest:
        made.save_json("manifest.json", {"format": 1})
    if ok is not None:
        at = timezone.now() - timedelta(hours=proven_hours)
        result = {"at": at.isoformat(), "ok": ok, "seconds": 12.5, "problem": "" if ok else "it is damaged"}
        made.save_json("verification.json", result)
    return made.name


def names(place):
    return [one.name for one in finished(place)]


def test_backups_beyond_the_number_are_deleted(place, configure):
    configure(max_number=2, max_days=30)
    made = [backup(place, hours=hours) for hours in (30, 20, 10)]

    assert delete_expired(place) == made[:1]
    assert names(place) == made[1:]
    assert not place.exists(made[0])


def test_backups_beyond_the_days_are_deleted(place, configure):
    configure(max_number=30, max_days=2)
    made = [backup(place, hours=hours) for hours in (72, 49, 47, 1)]

    assert delete_expired(place) == made[:2]
    assert names(place) == made[2:]


def test_the_newest_and_the_newest_that_is_proven_stay(place, configure):
    configure(max_number=1, max_days=1)
    made = [
        backup(place, hours=hours, ok=ok) for hours, ok in ((96, True), (72, True), (60, False), (48, None))
    ]
    delete_expired(place)

    assert names(place) == [made[1], made[3]]


def test_a_verification_that_could_not_run_leaves_the_proof(place, configure):
    configure(max_number=1)
    name = backup(place, hours=48, ok=True)
    once = {"at": "", "ok": False, "seconds": 1, "problem": "no key", "provenAt": "2026-11-24T00:00:00+00:00"}
    Backup(place, name).save_json("verification.json", once)
    newest = backup(place, hours=1)

    assert delete_expired(place) == []
    assert names(place) == [name, newest]


def test_what_was_never_finished_is_deleted_after_a_day(place, configure):
    old, young = (backup(place, hours=hours, manifest=False) for hours in (25, 1))
    newest = backup(place, hours=0)
    place.save("unknown/manifest.json", ContentFile(b"x"))

    assert delete_expired(place) == [old]
    assert sorted(place.listdir("")[0]) == sorted([young, newest, "unknown"])


def test_a_backup_of_the_future_neither_counts_nor_is_deleted(place, configure):
    configure(max_number=1, max_days=1)
    future = backup(place, hours=-48, ok=True)
    made = backup(place, hours=0)

    assert delete_expired(place) == []
    assert names(place) == [made, future]


def test_what_cannot_be_deleted_is_named(place):
    old = backup(place, hours=25, manifest=False)
    place.save(f"{old}/folder/file", ContentFile(b"x"))

    with pytest.raises(BackupError, match=f"{old} has expired"):
        delete_expired(place)


# --- doctor ----------------------------------------------------------------------------------------


def statuses():
    return [(status, text.partition(",")[0], bool(cure)) for status, text, cure in backup_findings()]


@pytest.mark.parametrize(("debug", "status"), [(True, "ok"), (False, "warning")])
def test_no_place_is_a_warning_in_production(settings, debug, status):
    settings.DEBUG = debug

    assert [(one[0], bool(one[2])) for one in backup_findings()] == [(status, not debug)]


def test_no_backup_yet_is_a_warning(place):
    assert statuses() == [("warning", "there is none yet", True)]


def test_a_young_backup_that_is_proven_is_good(place):
    name = backup(place, hours=3, ok=True)

    assert statuses() == [
        ("ok", f"the newest is {name}", False),
        ("ok", f"{name} was verified", False),
    ]
    assert "12.5 s" in [text for _status, text, _cure in backup_findings()][1]


@pytest.mark.parametrize(("schedule", "status"), [({"backup": {}}, "failed"), ({}, "warning")])
def test_an_old_backup_is_a_failure_where_one_is_scheduled(place, configure, schedule, status):
    configure(schedule=schedule)
    backup(place, hours=27, ok=True)

    assert [one[0] for one in statuses()] == [status, "ok"]


@pytest.mark.parametrize(
    ("ok", "proven_hours", "status"), [(None, 0, "warning"), (False, 0, "failed"), (True, 9 * 24, "warning")]
)
def test_a_verification_that_is_missing_failed_or_old_has_a_cure(place, ok, proven_hours, status):
    backup(place, hours=1, ok=ok, proven_hours=proven_hours)

    assert [(one[0], one[2]) for one in statuses()] == [("ok", False), (status, True)]


def test_a_place_that_cannot_be_read_is_a_failure(place, tmp_path, settings):
    (tmp_path / "file").touch()
    location = {"OPTIONS": {"location": str(tmp_path / "file")}}
    settings.STORAGES = {**settings.STORAGES, "backups": {**settings.STORAGES["backups"], **location}}

    assert [(one[0], one[2]) for one in statuses()] == [("failed", True)]


def test_a_backup_of_the_future_hides_no_age(place, configure):
    configure(schedule={"backup": {}})
    name, future = backup(place, hours=27, ok=True), backup(place, hours=-48)

    assert statuses()[:2] == [
        ("warning", f"the clock was wrong or is: {future}", True),
        ("failed", f"the newest is {name}", True),
    ]


# --- metrics ---------------------------------------------------------------------------------------


def gauges():
    return {sample.name: sample.value for family in BackupCollector().collect() for sample in family.samples}


def test_without_a_place_there_are_no_metrics():
    assert gauges() == {}


def test_a_place_without_backups_has_no_time(place):
    assert gauges() == {"backup_place_readable": 1}


def test_the_metrics_are_those_of_the_newest_backup_and_verification(place):
    backup(place, hours=20, ok=True, proven_hours=10)
    backup(place, hours=-48)
    name = backup(place, hours=3, ok=False, proven_hours=2)

    values = gauges()
    made = timezone.now().timestamp() - values.pop("backup_last_timestamp_seconds")
    verified = timezone.now().timestamp() - values.pop("backup_verified_timestamp_seconds")
    assert (round(made / 3600), round(verified / 3600)) == (3, 2), name
    assert values == {"backup_place_readable": 1, "backup_verification_ok": 0, "backup_restore_seconds": 12.5}


def test_a_place_that_cannot_be_read_is_in_the_metrics(place, tmp_path, settings):
    (tmp_path / "file").touch()
    location = {"OPTIONS": {"location": str(tmp_path / "file")}}
    settings.STORAGES = {**settings.STORAGES, "backups": {**settings.STORAGES["backups"], **location}}

    assert gauges() == {"backup_place_readable": 0}


def test_a_verification_that_is_damaged_is_in_the_metrics(place, tmp_path):
    name = backup(place, hours=3, ok=True)
    (tmp_path / name / "verification.json").write_text("{}")

    values = gauges()
    del values["backup_last_timestamp_seconds"]
    assert values == {"backup_place_readable": 1, "backup_verification_ok": 0}
