"""`manage.py upgrade --check`: the release of a copy, its changes, and the advisories that concern it."""

import json
import shutil

import pytest

from core.releases.manifest import ADVISORIES, path_of
from core.releases.tests.repositories import ADVISORY

pytestmark = pytest.mark.once


def test_a_copy_of_the_newest_release_has_nothing_to_do(copy, check):
    assert check(copy) == (
        0,
        {
            "release": "0.1.0",
            "newest": "0.1.0",
            "newer": False,
            "changed": [],
            "removed": [],
            "advisories": [],
        },
    )


def test_files_that_differ_from_the_release_are_listed(copy, check):
    copy.write(
        {"core/server.py": "# Ours\n", "example/models.py": None, "notes/models.py": "", "docs/guide.md": "x"}
    )
    status, state = check(copy)

    assert (status, state["changed"], state["removed"]) == (
        0,
        ["core/server.py", "docs/guide.md"],
        ["example/models.py"],
    )


def test_a_newer_release_counts_when_it_is_fetched(project, copy, check):
    project.release("0.10.0")
    project.release("0.9.0")
    assert check(copy)[0] == 0
    copy.git("fetch", "--quiet", "upstream")

    status, state = check(copy)
    assert (status, state["newest"], state["newer"]) == (1, "0.10.0", True)
    assert check(copy, "--to", "v0.9.0")[1]["newest"] == "0.9.0"
    assert check(copy, "--to", "upstream/main")[1]["newest"] == "0.10.0"


def test_an_advisory_of_the_newer_release_names_the_files_that_differ(project, copy, check, upgrade):
    other = ADVISORY | {"id": "A-2", "versions": ["0.0.9"]}
    project.release("0.2.0", advisories=[ADVISORY, other])
    copy.git("fetch", "--quiet", "upstream")
    copy.write({"config/settings.py": None})

    status, state = check(copy)
    assert (status, state["advisories"]) == (1, [ADVISORY | {"changed_here": ["config/settings.py"]}])
    printed = upgrade(copy, "--check")[1]
    assert "A-1 (high) concerns this copy, and is fixed in 0.2.0" in printed
    assert "config/settings.py, which was changed here" in printed
    assert "manage.py upgrade --to v0.2.0" in printed


def test_an_advisory_in_the_copy_counts_without_a_newer_release(project, tmp_path, check):
    project.release("0.1.1", advisories=[ADVISORY | {"versions": ["0.1.1"], "fixed_in": "0.1.2"}])

    assert check(project.clone(tmp_path / "copy"))[0] == 1


def test_without_a_fetched_release_it_is_not_known_whether_there_is_a_newer_one(copy, check, upgrade):
    copy.git("tag", "--delete", "v0.1.0")

    assert check(copy)[0] == 2
    assert "No release was fetched" in upgrade(copy, "--check")[1]


def test_the_commands_of_the_report_name_the_remote(project, copy, upgrade):
    copy.git("remote", "rename", "upstream", "other")
    copy.git("tag", "--delete", "v0.1.0")
    assert upgrade(copy, "--check", "--remote", "other")[1].endswith("git fetch other\n")

    project.release("0.2.0")
    copy.git("fetch", "--quiet", "other")
    printed = upgrade(copy, "--check", "--remote", "other")[1]
    assert "manage.py upgrade --to v0.2.0 --remote other\n" in printed


def test_a_folder_without_a_repository_is_compared_too(copy, check):
    shutil.rmtree(copy.folder / ".git")
    copy.write({"core/server.py": None})

    status, state = check(copy)
    assert (status, state["newest"], state["removed"]) == (2, None, ["core/server.py"])


def test_releases_and_tags_of_the_product_itself_do_not_count(copy, check):
    copy.commit(copy.record("3.0.0", product="Blue Bikes"))
    copy.git("tag", "v3.0.0")
    copy.git("tag", "v4.0.0")

    status, state = check(copy)
    assert (status, state["release"], state["newest"]) == (0, "0.1.0", "0.1.0")


def test_tags_of_the_project_are_found_next_to_those_of_the_product(project, copy, check):
    copy.git("tag", "v0.2.0")
    project.release("0.2.0")
    copy.git("fetch", "--quiet", "--no-tags", "upstream", "+refs/tags/v*:refs/remotes/upstream/v*")

    assert check(copy)[1]["newest"] == "0.2.0"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({path_of("0.1.0"): None}, "docs/releases has no manifest.json of a release of Groundwork"),
        ({path_of("0.1.0"): "{"}, "docs/releases/0.1.0/manifest.json: Expecting"),
        ({path_of("0.1.0"): "[]"}, "docs/releases/0.1.0/manifest.json: it must have product"),
        (
            {
                path_of("0.1.0"): json.dumps(
                    {"product": "Groundwork", "version": "0.1.0", "files": {"a": "b"}}
                )
            },
            "files must be",
        ),
        (
            {path_of("0.1.0"): json.dumps({"product": "Groundwork", "version": "0.3.0", "files": {}})},
            "version must be '0.1.0'",
        ),
        ({ADVISORIES: None}, "advisories.json is missing"),
        ({ADVISORIES: "{}"}, "has no product"),
        (
            {ADVISORIES: json.dumps({"product": "Groundwork", "advisories": [{}]})},
            "entry 1 must have id, severity",
        ),
    ],
)
def test_a_wrong_record_is_named(copy, upgrade, files, problem):
    copy.write(files)
    status, printed = upgrade(copy, "--check")

    assert status == 2
    assert problem in printed


@pytest.mark.parametrize("name", ["0.3.0", "nothing", "--all", "v9"])
def test_a_release_that_was_not_fetched_is_an_error(copy, upgrade, name):
    assert upgrade(copy, "--check", f"--to={name}") == (2, f"--to: no release {name!r} was fetched")


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--json", "--to=0.2.0"]])
def test_options_that_do_not_fit_are_refused(copy, upgrade, arguments):
    assert upgrade(copy, *arguments)[0] == 2
