"""`manage.py upgrade --to` that cannot merge: the branch, the files and the list of branches are as before."""

import stat

import pytest

from core.releases.git import Git
from core.releases.merging import merge
from core.releases.programs import ProgramError
from core.releases.tests.repositories import Repository

pytestmark = pytest.mark.once

CHANGED = {"core/server.py": "def serve():\n    return 2\n", "core/added.py": "ADDED = 1\n"}


@pytest.fixture
def newer(project, copy):
    """Release 0.2.0, which the copy has not fetched."""
    project.release("0.2.0", CHANGED)
    return project


def state(repository):
    """Return everything that a refusal must leave as it is."""
    files = {
        path: path.read_bytes()
        for path in repository.folder.rglob("*")
        if ".git" not in path.parts and path.is_file()
    }
    return repository.git("branch", "--verbose"), repository.git("status", "--porcelain"), files


def hook(repository, name, text):
    path = repository.folder / ".git" / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.usefixtures("newer")
def test_changes_that_are_not_committed_are_refused(copy, upgrade):
    copy.write({"core/server.py": "# Ours\n"})
    before = state(copy)

    assert upgrade(copy, "--to", "0.2.0") == (2, "files were changed and not committed:\n M core/server.py")
    assert state(copy) == before


@pytest.mark.usefixtures("newer")
def test_a_branch_of_a_run_before_is_refused(copy, upgrade):
    copy.git("branch", "upgrade-0.2.0")
    before = state(copy)
    status, printed = upgrade(copy, "--to", "0.2.0")

    assert status == 2
    assert "git switch upgrade-0.2.0" in printed
    assert "git branch -D upgrade-0.2.0" in printed
    assert state(copy) == before


@pytest.mark.parametrize("name", ["0.3.0", "nothing", "--all"])
def test_an_unknown_release_is_refused(copy, upgrade, name):
    before = state(copy)

    assert upgrade(copy, f"--to={name}") == (2, f"--to: upstream has no release {name!r} of Groundwork")
    assert state(copy) == before


def test_a_release_of_an_older_line_is_refused(newer, copy, upgrade):
    """The commits of 0.1.1 are not in 0.2.0."""
    assert upgrade(copy, "--to", "0.2.0")[0] == 0
    newer.git("switch", "--quiet", "--detach", "v0.1.0")
    newer.release("0.1.1")
    before = state(copy)
    status, printed = upgrade(copy, "--to", "0.1.1")

    assert status == 2
    assert "0.1.1 is of release 0.1.1, and this copy is of the newer one 0.2.0" in printed
    assert state(copy) == before
    assert upgrade(copy, "--to", "0.1.0") == (0, "This copy has 0.1.0 already.\n")


def test_an_unknown_remote_is_refused(copy, upgrade):
    status, printed = upgrade(copy, "--to", "0.2.0", "--remote=--all")

    assert status == 2
    assert "there is no remote --all: git remote add" in printed


def test_a_remote_that_does_not_respond_is_an_error(newer, copy, upgrade):
    newer.folder.rename(newer.folder.with_name("away"))
    before = state(copy)
    status, printed = upgrade(copy, "--to", "0.2.0")

    assert status == 2
    assert "`git fetch` failed" in printed
    assert state(copy) == before


@pytest.mark.usefixtures("newer")
def test_a_base_that_is_not_the_release_of_the_copy_is_refused(copy, upgrade):
    copy.commit({"docs/releases/0.1.0/manifest.json": copy.read("docs/releases/0.1.0/manifest.json") + "\n"})
    before = state(copy)
    status, printed = upgrade(copy, "--to", "0.2.0")

    assert status == 2
    assert "upstream has no tag v0.1.0 with the docs/releases/0.1.0/manifest.json of this copy" in printed
    assert state(copy) == before


@pytest.mark.usefixtures("newer")
def test_a_folder_in_another_repository_is_refused(copy, tmp_path, upgrade):
    outer = Repository(tmp_path).begin()
    (copy.folder / ".git").rename(tmp_path / "moved")
    status, printed = upgrade(copy, "--to", "0.2.0")

    assert outer.has(".git")
    assert status == 2
    assert "must be the root of its git repository" in printed


@pytest.mark.usefixtures("newer")
def test_a_file_in_the_way_ends_the_merge(copy, upgrade):
    copy.write({"core/added.py": "# Not committed\n"})
    before = state(copy)
    status, printed = upgrade(copy, "--to", "0.2.0")

    assert status == 2
    assert "core/added.py" in printed
    assert state(copy) == before


@pytest.mark.usefixtures("newer")
def test_a_detached_head_is_where_a_refusal_returns(copy, upgrade):
    copy.git("switch", "--quiet", "--detach", copy.git("rev-parse", "main"))
    copy.write({"core/added.py": "# Not committed\n"})
    before = state(copy)

    assert upgrade(copy, "--to", "0.2.0")[0] == 2
    assert state(copy) == before


@pytest.mark.parametrize(
    ("kind", "slow", "command"),
    [
        ("copy", "pre-merge-commit", "merge"),
        ("clone", "pre-commit", "commit"),
    ],  # before, and after files change
)
def test_a_merge_that_takes_too_long_is_ended_and_undone(project, tmp_path, kind, slow, command):
    product = getattr(project, kind)(tmp_path / "product")
    project.release("0.2.0", CHANGED)
    hook(product, slow, "exec sleep 600")
    before = state(product)

    with pytest.raises(ProgramError, match=f"`git {command}` took longer than 5 seconds"):
        merge(product.folder, Git(product.folder, seconds=5), "upstream", "0.2.0")
    assert state(product) == before


@pytest.mark.usefixtures("newer")
def test_of_many_changes_ten_are_listed(copy, upgrade):
    copy.commit({f"ours/{number:02}.py": "" for number in range(13)})
    copy.write({f"ours/{number:02}.py": "# Ours\n" for number in range(13)})

    status, printed = upgrade(copy, "--to", "0.2.0")

    assert (status, printed.splitlines()[1], printed.splitlines()[10:]) == (
        2,
        " M ours/00.py",
        [" M ours/09.py", "and 3 more"],
    )


@pytest.mark.usefixtures("newer")
def test_a_hook_that_refuses_the_commit_leaves_the_merge_to_be_committed(copy, upgrade):
    hook(copy, "pre-commit", "echo of the hook; exit 1")
    status, printed = upgrade(copy, "--to", "0.2.0")

    assert status == 1
    assert "not committed" in printed
    assert "of the hook" in printed
    assert copy.git("rev-parse", "--verify", "MERGE_HEAD") == copy.git("rev-parse", "upstream/v0.2.0")


@pytest.mark.usefixtures("newer")
def test_the_repository_of_a_running_hook_is_not_taken(copy, upgrade, monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "project" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))

    assert upgrade(copy, "--to", "0.2.0")[0] == 0
    assert copy.read("core/server.py") == CHANGED["core/server.py"]
