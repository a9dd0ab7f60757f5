"""An installation of its own for a test: database, files, backups. Commands run as an operator runs them."""

import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings

from core.tests.interpreter import PROLOGUE

SERVED = os.environ.get("TEST_DATABASE_URL", "")
ON_POSTGRESQL = SERVED.startswith("postgres")
SECONDS = 120
COPY = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"


SEED = """
from accounts.tests.factories import UserFactory
from core.files.tests.sample_files import stored_file
for n in range(3):
    stored_file(os.urandom(500_000) + b"content %d" % n, user=UserFactory(name=f"User {n}"))
"""
CHANGE = "from accounts.models import User\nUser.objects.update(name='Changed after the backup')"
CHANGED = ["Changed after the backup"] * 3


def python_command(script, *arguments):
    """Return the value of a variable that runs a Python script."""
    return " ".join([sys.executable, str(script), *map(str, arguments)])


def on_server(statement):
    with psycopg.connect(urlsplit(SERVED)._replace(path="/postgres").geturl(), autocommit=True) as connection:
        connection.execute(statement)


class Installation:
    """A database, a folder of files and a folder of backups; copies of those of `template`, if there is one."""

    def __init__(self, folder, template=None, *, backups=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.media, self.backups = folder / "media", backups or folder / "backups"
        self.name = f"backup_{os.getpid()}_{secrets.token_hex(4)}"
        self.file = folder / "db.sqlite3"
        url = f"sqlite:///{self.file}"
        if ON_POSTGRESQL:
            on_server(f"CREATE DATABASE {self.name}" + (f" TEMPLATE {template.name}" if template else ""))
            url = urlsplit(SERVED)._replace(path=f"/{self.name}").geturl()
        elif template:
            shutil.copy(template.file, self.file)
        for name in ("media", "backups"):
            if template and getattr(template, name).exists():
                shutil.copytree(getattr(template, name), getattr(self, name))
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": url,
            "MEDIA_ROOT": str(self.media),
            "BACKUP_FOLDER": str(self.backups),
            "REDIS_URL": "",
            "CELERY_BROKER_URL": "",
            "PYTHONWARNINGS": "default",
        }

    def start(self, *arguments, **environment):
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=settings.BASE_DIR,
            env=self.environment | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process):
        """Wait for a process; return its status, its output and its errors."""
        out, err = process.communicate(timeout=SECONDS)
        return process.returncode, out, err

    def run(self, *arguments, **environment):
        return self.end(self.start("manage.py", *arguments, **environment))

    def manage(self, *arguments, **environment):
        """Run a command that must succeed; return its output."""
        code, out, err = self.run(*arguments, **environment)
        assert code == 0, err
        return out

    def refused(self, *arguments, **environment):
        """Run a command that must fail; return its errors."""
        code, out, err = self.run(*arguments, **environment)
        assert code == 1, (out, err)
        assert "Traceback" not in err
        return err

    def execute(self, code, **environment):
        """Run Python code in the installation; return the value that it assigns to `result`."""
        code = (
            f"{PROLOGUE}\nimport json\nresult = None\n{code}\nprint('\\n' + json.dumps(result, default=str))"
        )
        status, out, err = self.end(self.start("-c", code, **environment))
        assert status == 0, err
        return json.loads(out.splitlines()[-1])

    def backup(self, *options, **environment):
        """Make a backup; return its name."""
        return self.manage("backup", *options, **environment).partition(":")[0]

    def restore(self, name, *options, **environment):
        options = options or ("--pending-mail", "drop")
        return self.manage("restore", name, "--noinput", *options, **environment)

    def manifest(self, name):
        return json.loads((self.backups / name / "manifest.json").read_text())["content"]

    def names(self):
        """Read the names of the users, without a process."""
        statement = "SELECT name FROM accounts_user ORDER BY name"
        if ON_POSTGRESQL:
            with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
                return [name for (name,) in connection.execute(statement)]
        with closing(sqlite3.connect(self.file)) as connection:
            return [name for (name,) in connection.execute(statement)]

    def files(self):
        return {path.name: path.read_bytes() for path in Path(self.media).glob("??/*")}

    def drop(self):
        if ON_POSTGRESQL:
            on_server(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """Migrate one database, which the others are copies of."""
    installation = Installation(tmp_path_factory.mktemp("migrated"))
    installation.manage("migrate", "--verbosity", "0")
    yield installation
    installation.drop()


@pytest.fixture(scope="session")
def seeded(tmp_path_factory, migrated):
    """Make three users with a file each."""
    installation = Installation(tmp_path_factory.mktemp("seeded"), migrated)
    installation.execute(SEED)
    yield installation
    installation.drop()


@pytest.fixture(scope="session")
def changed(tmp_path_factory, seeded):
    """Make a backup of the three users, and then change them."""
    installation = Installation(tmp_path_factory.mktemp("changed"), seeded)
    installation.backup()
    installation.execute(CHANGE)
    yield installation
    installation.drop()


@pytest.fixture
def installation(tmp_path, migrated):
    """Make an installation without users."""
    made = Installation(tmp_path / "first", migrated)
    yield made
    made.drop()


@pytest.fixture
def with_files(tmp_path, seeded):
    """Make an installation with three users and a file of each."""
    made = Installation(tmp_path / "first", seeded)
    yield made
    made.drop()


@pytest.fixture
def with_backup(tmp_path, changed):
    """Make an installation with a backup, whose users were changed after it."""
    made = Installation(tmp_path / "first", changed)
    yield made
    made.drop()


@pytest.fixture
def other(tmp_path):
    """Make an empty database and an empty folder, with the backups of the first installation of the test."""
    made = Installation(tmp_path / "other", backups=tmp_path / "first" / "backups")
    yield made
    made.drop()
