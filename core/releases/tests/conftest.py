import json
import shutil

import pytest
from django.core.management import CommandError, call_command

from core.releases.tests.repositories import FIRST, Repository


@pytest.fixture
def project(tmp_path):
    """Return the repository of the project, with release 0.1.0."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    repository = Repository(tmp_path / "project").begin()
    repository.release("0.1.0", FIRST)
    return repository


@pytest.fixture
def copy(project, tmp_path):
    """Return a clone of the release, without any change."""
    return project.clone(tmp_path / "copy")


@pytest.fixture
def upgrade(settings, capsys):
    """Run `manage.py upgrade` in a repository; return its exit status and what it printed."""

    def run(repository, *arguments):
        settings.BASE_DIR = repository.folder
        capsys.readouterr()
        try:
            call_command("upgrade", *arguments)
        except SystemExit as error:
            return error.code, capsys.readouterr().out
        except CommandError as error:
            return error.returncode, str(error)
        return 0, capsys.readouterr().out

    return run


@pytest.fixture
def check(upgrade):
    """Return the exit status and the JSON of `manage.py upgrade --check`."""

    def run(repository, *arguments):
        status, printed = upgrade(repository, "--check", "--json", *arguments)
        return status, json.loads(printed)

    return run
