"""The variables of the backups."""

import pytest

from core.tests.interpreter import python
from core.web.tests.test_environment import PRODUCTION, start

pytestmark = pytest.mark.once

SHOWN = """
import config.settings as s
print(s.BACKUPS.encrypt, s.BACKUPS.max_number, s.BACKUPS.max_days, s.STORAGES["backups"]["OPTIONS"]["location"],
      s.CELERY_BEAT_SCHEDULE["backup"]["schedule"], sep="; ")
"""


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"BACKUP_AT": "25:00", "BACKUP_FOLDER": "/srv"}, "BACKUP_AT must be a time in UTC, like 03:15"),
        ({"BACKUP_AT": "03:15"}, "BACKUP_AT needs BACKUP_FOLDER or BACKUP_S3_BUCKET"),
        ({"BACKUP_FOLDER": "/srv", "BACKUP_S3_BUCKET": "b"}, "BACKUP_FOLDER cannot be set together"),
        ({"BACKUP_S3_BUCKET": "b", "BACKUP_S3_ACCESS_KEY_ID": "k"}, "BACKUP_S3_SECRET_ACCESS_KEY is not set"),
        ({"BACKUP_S3_BUCKET": "b", "BACKUP_S3_ENCRYPTION": "rot13"}, "BACKUP_S3_ENCRYPTION Must be one of"),
        ({"BACKUP_S3_BUCKET": "b", "BACKUP_S3_KMS_KEY_ID": "k"}, "needs BACKUP_S3_ENCRYPTION=aws:kms"),
        ({"BACKUP_ENCRYPT": "age -r 'x"}, "BACKUP_ENCRYPT is not a command"),
        ({"BACKUP_KEEP": "0"}, "BACKUP_KEEP "),
        ({"BACKUP_KEEP_DAYS": "many"}, "BACKUP_KEEP_DAYS "),
        ({"BACKUP_TIMEOUT_MINUTES": "-1"}, "BACKUP_TIMEOUT_MINUTES "),
        ({"BACKUP_VERIFY": "perhaps"}, "BACKUP_VERIFY "),
    ],
)
def test_what_cannot_be_meant_stops_the_start(wrong, named):
    assert named in start(**wrong)


def test_without_variables_nothing_is_scheduled():
    shown = python(
        "import config.settings as s; print('backup' in s.CELERY_BEAT_SCHEDULE, *s.STORAGES)", **PRODUCTION
    )

    assert shown.stdout.split() == ["False", "default", "staticfiles"]


def test_a_command_is_a_list_and_the_time_a_crontab():
    variables = {"BACKUP_FOLDER": "/srv/b", "BACKUP_AT": "3:05", "BACKUP_KEEP": "7"}
    shown = python(SHOWN, **PRODUCTION, **variables, BACKUP_ENCRYPT="age -r 'a b'").stdout.strip().split("; ")

    assert shown[:4] == ["['age', '-r', 'a b']", "7", "30", "/srv/b"]
    assert "5 3 * * *" in shown[4]
