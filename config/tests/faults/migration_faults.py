"""The migrations of the next release, while processes of this one serve: none of their requests fails.

The next release is a copy of this one. It adds a column that the database fills, one that may be empty, an index and a
table. docs/migrations.md states the rules.
"""

import secrets
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
from adopt import copy_tree, edit
from django.conf import settings

from config.tests.faults.stage import Traffic
from config.tests.processes import call
from core.tests.waiting import wait_until

RESPONSE_SECONDS = 2.0
PRESENT = sorted(path.stem for path in (settings.BASE_DIR / "resources" / "migrations").glob("0*.py"))[-1]
FIELDS = """\
    priority = models.CharField(max_length=10, db_default="normal")
    remark = models.TextField(null=True)
"""
MODEL = """

class Reminder(models.Model):
    resource = models.ForeignKey(Resource, on_delete=models.CASCADE)
"""
COLUMNS = f"""
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("resources", "{PRESENT}")]
    operations = [
        migrations.AddField("resource", "priority", models.CharField(max_length=10, db_default="normal")),
        migrations.AddField("resource", "remark", models.TextField(null=True)),
        migrations.CreateModel(
            "Reminder",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("resource", models.ForeignKey("resources.resource", on_delete=models.CASCADE)),
            ],
        ),
    ]
"""
INDEX = """
from django.db import migrations, models
from core.db.indexes import AddIndexOnline

class Migration(migrations.Migration):
    atomic = False
    dependencies = [("resources", "9001_columns")]
    operations = [AddIndexOnline("resource", models.Index(fields=["user", "priority"], name="resource_priority"))]
"""


@pytest.fixture(scope="module")
def next_release(tmp_path_factory):
    """Return the folder of the next release."""
    folder = tmp_path_factory.mktemp("next")
    copy_tree(folder)
    title = '    title_sort = SortKeyField("title")\n'
    edit(folder / "resources" / "models.py", title, title + FIELDS)
    with (folder / "resources" / "models.py").open("a") as models:
        models.write(MODEL)
    (folder / "resources" / "migrations" / "9001_columns.py").write_text(COLUMNS)
    (folder / "resources" / "migrations" / "9002_index.py").write_text(INDEX)
    return folder


@pytest.fixture(scope="module")
def token(stage):
    return stage.user("ann")


def migrate(stage, folder):
    return subprocess.Popen(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=folder,
        env=stage.environment | {"SLOW_STATEMENT_MS": "0"},  # a line between those that the test reads
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass
class EveryMethod(Traffic):
    """Clients of one server that create, find, change, read and delete an object, again and again."""

    url: str = ""
    clients: int = 2

    def create_or_list(self) -> None:
        title = secrets.token_hex(8)
        created = self.send("POST", "", {"title": title, "tags": ["red", title]})
        path = f"/{created.key}"
        self.send("GET", f"?search={title}")
        self.send("PATCH", path, {"content": "Changed", "tags": ["blue"]})
        self.send("GET", path)
        self.send("DELETE", path)

    def send(self, method, path, body=None):
        address = f"{self.url or self.stage.url}/api/v1/resources{path}"
        outcome = self.timed(lambda: call(address, method, body, self.token))
        self.outcomes.append(outcome)
        return outcome

    def judge(self, figure, name):
        seconds = self.outcomes[-1].ended - self.outcomes[0].began
        figure(f"{name}: requests, failed", f"{len(self.outcomes)}, {len(self.failures)}")
        figure(f"{name}: requests per second", len(self.outcomes) / seconds)
        figure(f"{name}: slowest response", self.slowest(), "s")
        assert self.failures == []
        assert self.slowest() < RESPONSE_SECONDS
        assert self.lost() == set()

    @property
    def failures(self):
        return [one for one in self.outcomes if one.status not in {200, 201, 204}]


def test_processes_of_both_releases_serve_during_and_after_a_migration(stage, token, next_release, figure):
    """The migration begins behind a long transaction, so it gives up and is tried again."""
    following = stage.another_server(code=next_release)
    wait_until(lambda: call(f"{following}/health/live").status == 200)
    assert call(f"{following}/health/ready").json()["checks"]["migrations"]["status"] == "pending"
    with EveryMethod(stage, token) as present:
        present.wait_for(50)
        with stage.connection() as report, migrate(stage, next_release) as process:
            report.execute("BEGIN")
            report.execute("SELECT count(*) FROM resources_resource")
            for _ in range(2):
                assert "resources.9001_columns changes. Trying again" in process.stderr.readline()
            report.execute("COMMIT")
            assert process.wait(60) == 0
        stage.wait_until_ready(following)
        with EveryMethod(stage, token, url=following) as new:
            stage.wait_until_ready(stage.another_server())  # a process of this release that is started again
            both_since = time.monotonic()
            for traffic in (present, new):
                traffic.wait_for(100, since=both_since)
            stage.user("bob")
            wait_until(lambda: stage.mails("bob@example.com"))

    present.judge(figure, "this release")
    new.judge(figure, "the next release")
