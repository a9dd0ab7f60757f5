"""The records of the releases of this project, and the format of advisories."""

import json
from pathlib import Path

import pytest
from django.conf import settings

from core.releases.advisories import read_advisories
from core.releases.manifest import (
    ADVISORIES,
    OWN,
    RELEASES,
    RecordError,
    manifest_of,
    number_of,
    path_of,
    read_release,
)
from core.releases.tests.repositories import ADVISORY
from core.releases.trees import Folder

pytestmark = pytest.mark.once

ROOT = Path(settings.BASE_DIR)


def with_advisories(folder, *entries):
    path = folder / ADVISORIES
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"product": "Groundwork", "advisories": entries}))
    return Folder(folder)


def with_manifest(root, version, names, folder=RELEASES):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    path = root / path_of(version, folder)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(manifest_of("Groundwork", version, root, names)))


def problems_of(root):
    """Return what is wrong with the records in a folder."""
    tree, problems = Folder(root), []
    for advisory in read_advisories(tree):
        for version in advisory.versions:
            found = read_release(tree, version)
            lacking = set(advisory.files) - set(found[1].files) if found else ()
            problems += [f"{advisory.id}: {name} is not in {version}" for name in sorted(lacking)]
    for folder in (RELEASES, OWN):
        for version in filter(number_of, tree.folders(folder)):
            if read_release(tree, version, folder) is None:
                problems.append(f"{folder}/{version} has no manifest")
    return problems


def test_the_records_of_this_project_are_valid():
    assert problems_of(ROOT) == []


def test_wrong_records_are_found(tmp_path):
    with_advisories(tmp_path, ADVISORY)
    with_manifest(tmp_path, "0.1.0", ["core/server.py"])
    with_manifest(tmp_path, "0.2.0", ["core/server.py"], OWN)
    assert problems_of(tmp_path) == ["A-1: config/settings.py is not in 0.1.0"]

    (tmp_path / path_of("0.2.0", OWN)).unlink()
    assert problems_of(tmp_path)[1:] == [f"{OWN}/0.2.0 has no manifest"]
    (tmp_path / path_of("0.1.0")).write_text("{}")
    with pytest.raises(RecordError, match="must have product, version and files"):
        problems_of(tmp_path)


def test_a_manifest_has_sorted_files_without_the_records(tmp_path):
    with_advisories(tmp_path)
    for name in ("b.py", "a.py"):
        (tmp_path / name).write_text("")
    manifest = manifest_of("Groundwork", "0.1.0", tmp_path, ["b.py", ADVISORIES, "a.py"])

    assert list(manifest["files"]) == ["a.py", "b.py"]
    assert manifest["files"]["a.py"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_an_advisory_is_read(tmp_path):
    (advisory,) = read_advisories(with_advisories(tmp_path, ADVISORY))

    assert advisory._asdict() == ADVISORY


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("severity", "grave"),
        ("severity", []),
        ("versions", []),
        ("versions", "0.1.0"),
        ("versions", ["<0.2"]),
        ("fixed_in", None),
        ("fixed_in", "soon"),
        ("files", [1]),
        ("text", " "),
    ],
)
def test_a_wrong_field_is_named(tmp_path, field, value):
    tree = with_advisories(tmp_path, ADVISORY, ADVISORY | {"id": "A-2"} | {field: value})

    with pytest.raises(RecordError, match=f"entry 2: wrong {field}"):
        read_advisories(tree)


def test_an_id_is_there_once(tmp_path):
    with pytest.raises(RecordError, match="twice"):
        read_advisories(with_advisories(tmp_path, ADVISORY, ADVISORY))


@pytest.mark.parametrize("entry", [None, ADVISORY | {"more": 1}, {"id": "A-1"}])
def test_an_advisory_has_these_fields_only(tmp_path, entry):
    with pytest.raises(RecordError, match="entry 1 must have id, severity, versions, fixed_in, files, text"):
        read_advisories(with_advisories(tmp_path, entry))
