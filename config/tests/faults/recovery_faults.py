"""A recovery to a point in time, with the settings of docs/operations.md: the disk of PostgreSQL is lost, and the last
thing that was done there was a mistake.
"""

import re
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from private_servers import give_away

from config.tests.faults.network import Fault
from config.tests.faults.stage import PASSWORD, Traffic
from core.tests.waiting import wait_until

GUIDE = (
    (settings.BASE_DIR / "docs" / "operations.md").read_text().partition("## Recovery to a point in time")[2]
)
ARCHIVING, RECOVERING = re.findall(r"```ini\n(.*?)```", GUIDE, re.DOTALL)[:2]
SETTING = re.compile(r"^(\w+) = (?:'(.*)'|(\S+))$", re.MULTILINE)
ARCHIVE = "/srv/archive"
RECOVERY_SECONDS = 60


def options():
    """Return the settings of the guide as arguments of the server, with a folder next to that of its data."""
    pairs = [(name, text or word) for name, text, word in SETTING.findall(ARCHIVING)]
    assert [name for name, _value in pairs] == ["archive_mode", "archive_command", "archive_timeout"]
    return [
        part for name, value in pairs for part in ("-c", f"{name}={value.replace(ARCHIVE, '../archive')}")
    ]


POSTGRES_OPTIONS = options()


@pytest.fixture
def archive(stage):
    folder = stage.postgres.folder / "archive"
    folder.mkdir()
    give_away(folder, stage.postgres.identity)
    return folder


@pytest.fixture
def base(stage, archive):
    """Make a base backup while clients write."""
    command = [
        Path(stage.postgres.command[0]).with_name("pg_basebackup"),
        "--pgdata=base",
        "--checkpoint=fast",
    ]
    with Traffic(stage, stage.user("early")) as traffic:
        traffic.wait_for(10)
        subprocess.run(
            [*command, f"--dbname={stage.postgres.url}"],
            cwd=stage.postgres.folder,
            check=True,
            timeout=120,
            **stage.postgres.identity,
        )
    return stage.postgres.folder / "base"


def archived(stage):
    """Wait until the log of everything so far is in the archive."""
    with stage.connection() as connection:
        [(name,)] = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchall()
    wait_until((stage.postgres.folder / "archive" / name).exists)


def recover(postgres, base, moment):
    """Start the server on the base backup, with the settings of the guide."""
    folder = postgres.folder / "data"
    shutil.rmtree(folder)
    shutil.copytree(base, folder)
    given = SETTING.sub(
        lambda found: found[0] if found[1] != "recovery_target_time" else f"{found[1]} = '{moment}'",
        RECOVERING,
    )
    with (folder / "postgresql.auto.conf").open("a") as file:
        file.write(given.replace(ARCHIVE, "../archive"))
    (folder / "recovery.signal").touch()
    give_away(folder, postgres.identity)
    postgres.start()


def titles(stage, token):
    return {row["title"] for row in stage.api("GET", "/resources", token=token).json()["data"]}


def test_everything_before_a_mistake_comes_back_and_nothing_after_it(stage, base, figure):
    token = stage.user("ann")
    assert stage.api("POST", "/resources", {"title": "before"}, token).status == 201
    with stage.connection() as connection:
        [(moment,)] = connection.execute("SELECT clock_timestamp()::text").fetchall()
        connection.execute("DELETE FROM resources_resourcetag")
        connection.execute("DELETE FROM resources_resource")
    assert titles(stage, token) == set()
    archived(stage)
    stage.to_postgres.set(Fault.REFUSE)  # nothing of the product is connected
    stage.postgres.kill()

    began = time.monotonic()
    recover(stage.postgres, base, moment)
    with stage.connection() as connection:
        wait_until(lambda: connection.execute("SELECT NOT pg_is_in_recovery()").fetchall() == [(True,)])
    direct = urlsplit(stage.postgres.url)._replace(path=f"/{stage.database}").geturl()
    printed = stage.manage("settle_recovery", "--pending-mail", "drop", DATABASE_URL=direct)
    stage.to_postgres.set(Fault.NONE)
    stage.wait_until_ready()
    figure("ready again, from the start of PostgreSQL", time.monotonic() - began, "s")

    assert "sessions" in printed
    assert stage.api("GET", "/resources", token=token).status == 401  # no session of before is believed
    login = stage.api("POST", "/auth/login", {"email": "ann@example.com", "password": PASSWORD}).json()
    assert titles(stage, login["data"]["tokens"]["accessToken"]) == {"before"}
    assert time.monotonic() - began < RECOVERY_SECONDS
