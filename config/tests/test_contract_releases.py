"""`.ci/contract.py` without arguments, as in `make check`: with which release it compares, and what may differ."""

import json
import subprocess
import sys

import pytest
from django.conf import settings

from config.product import NAME
from core.releases.manifest import ADVISORIES, OWN, RELEASES, folder_of_records
from core.releases.trees import Folder

sys.path.insert(0, str(settings.BASE_DIR / ".ci"))

from contract import last_release, main, present_document

BREAKS = "GET /gone: removed"


def record(root, version, product=NAME, folder=RELEASES, document=None):
    path = root / folder / version
    path.mkdir(parents=True)
    (path / "manifest.json").write_text(json.dumps({"product": product, "version": version, "files": {}}))
    (path / "openapi.json").write_text(json.dumps(document or {"paths": {}}))
    return path / "openapi.json"


@pytest.fixture(scope="module")
def document():
    """Return the present document with an operation that is gone since."""
    document = present_document()
    document["paths"]["/gone"] = {"get": {"responses": {}}}
    return document


@pytest.fixture
def declare(tmp_path):
    def write(*lines):
        (tmp_path / RELEASES / "breaking.txt").write_text("# Declared\n\n" + "\n".join(lines))

    return write


@pytest.mark.parametrize("folder", [RELEASES, OWN])
def test_the_newest_release_is_compared(tmp_path, folder):
    record(tmp_path, "0.9.0", folder=folder)
    newest = record(tmp_path, "0.10.0", folder=folder)

    assert last_release(tmp_path) == newest


def test_releases_of_another_product_do_not_count(tmp_path, capsys):
    record(tmp_path, "9.0.0", product="Another")
    assert last_release(tmp_path) is None
    assert main([], tmp_path) == 0
    assert "there is no release" in capsys.readouterr().out

    own = record(tmp_path, "0.1.0", folder=OWN)
    assert last_release(tmp_path) == own


@pytest.mark.parametrize(("project", "folder"), [(NAME, RELEASES), ("Another", OWN)])
def test_a_product_has_records_of_its_own_next_to_those_of_the_project(tmp_path, project, folder):
    (tmp_path / RELEASES).mkdir(parents=True)
    (tmp_path / ADVISORIES).write_text(json.dumps({"product": project, "advisories": []}))

    assert folder_of_records(Folder(tmp_path), NAME) == folder


def test_a_change_fails_until_it_is_declared(tmp_path, document, declare, capsys):
    record(tmp_path, "0.1.0", document=document)
    assert main([], tmp_path) == 1
    assert f"contract: breaks clients: {BREAKS}\n" in capsys.readouterr().out

    declare(BREAKS)
    assert main([], tmp_path) == 0
    assert capsys.readouterr().out == ""


def test_a_declaration_without_its_change_fails(tmp_path, document, declare, capsys):
    record(tmp_path, "0.1.0", document=document)
    declare(BREAKS, "GET /other: removed")

    assert main([], tmp_path) == 1
    assert "contract: declared, but it is no change: GET /other: removed\n" in capsys.readouterr().out


def test_two_files_can_be_compared(tmp_path, document):
    (tmp_path / "old").write_text(json.dumps({"paths": {}}))
    (tmp_path / "new").write_text(json.dumps(document))
    command = [sys.executable, ".ci/contract.py"]
    done = [
        subprocess.run(
            [*command, tmp_path / old, tmp_path / "old"],
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            check=False,
        )
        for old in ("old", "new")
    ]

    assert [each.returncode for each in done] == [0, 1], done[0].stderr
    assert BREAKS in done[1].stdout
