"""The first start on a host that has nothing but the sources: no var/, no .env, another current directory."""

import os
import secrets
import shutil
import signal
import subprocess
import sys

import pytest
from django.conf import settings

from config.local_apps import LOCAL_APPS
from config.tests.processes import call
from core.tests.ports import free_port
from core.tests.waiting import wait_until

pytestmark = pytest.mark.once

SECONDS = 60
SOURCES = ("accounts", "config", "core", *LOCAL_APPS, "templates", "manage.py")


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in SOURCES:
        source = settings.BASE_DIR / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
        else:
            shutil.copy2(source, folder)
    return folder


@pytest.fixture
def environment(clone):
    """Return the environment of production; the database is the default one."""
    return {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": "127.0.0.1",
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL or "amqp://127.0.0.1:1//",  # where nothing listens
        "SECURE_SSL_REDIRECT": "false",
    }


def run(clone, environment, *arguments):
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def start(clone, environment, *arguments):
    command = [sys.executable, *arguments]
    with (clone / "log").open("wb") as log:
        return subprocess.Popen(
            command, cwd="/", env=environment, stdout=log, stderr=log, start_new_session=True
        )


def until(reached, process, clone):
    """Wait for what another process does, and end it with its children."""
    try:
        wait_until(reached, SECONDS, processes=[process], explain=(clone / "log").read_text)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(SECONDS)


def celery(clone, *arguments):
    return ("-m", "celery", "--workdir", str(clone), "-A", "config", *arguments)


def test_migrate_makes_the_folder_of_the_database(clone, environment):
    done = run(
        clone,
        environment | {"DATABASE_URL": "sqlite:///data/deep/db.sqlite3"},
        clone / "manage.py",
        "migrate",
    )

    assert done.returncode == 0, done.stderr
    assert (clone / "data/deep/db.sqlite3").exists()


def test_the_server_starts_and_makes_the_folders_it_needs(clone, environment):
    port = free_port()
    options = {"PROMETHEUS_MULTIPROC_DIR": "metrics/now"}
    run(clone, environment, clone / "manage.py", "migrate")
    server = start(
        clone, environment | options, clone / "manage.py", "serve", "--port", str(port), "--workers", "1"
    )

    def is_ready():
        return call(f"http://127.0.0.1:{port}/health/ready").status == 200

    until(is_ready, server, clone)
    assert (clone / "metrics/now").is_dir()
    assert (clone / "var/static/staticfiles.json").exists()


@pytest.mark.parametrize("program", [("beat",), ("worker", "-B", "-P", "solo")])
def test_the_scheduler_makes_the_folder_of_its_file(clone, environment, program):
    on_postgresql = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"}
    scheduler = start(clone, environment | on_postgresql, *celery(clone, *program))
    until(lambda: list(clone.glob("var/celerybeat-schedule*")), scheduler, clone)

    assert "Traceback" not in (clone / "log").read_text()


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATABASE_URL", "sqlite:///manage.py/db.sqlite3"), ("PROMETHEUS_MULTIPROC_DIR", "manage.py/metrics")],
)
def test_a_folder_that_cannot_be_made_is_named_with_its_variable(clone, environment, name, value):
    done = run(clone, environment | {name: value}, clone / "manage.py", "check")

    assert done.returncode == 1
    assert f"{name} needs the folder {clone}/manage.py" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "file"), [(("beat",), "celerybeat-schedule"), (("manage.py", "serve"), "static")]
)
def test_a_var_that_cannot_be_written_is_named(clone, environment, arguments, file):
    (clone / "var").touch()
    given = environment | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"}
    command = celery(clone, *arguments) if arguments == ("beat",) else (clone / arguments[0], *arguments[1:])
    done = run(clone, given, *command)

    assert done.returncode == 1
    assert f"{clone}/var/{file}" in done.stderr
    assert "Traceback" not in done.stderr
