"""The locks after a merge, with a program of the small project that writes one line for each requirement."""

import pytest

from core.releases.locks import PROGRAM

LOCK = """
import sys
from pathlib import Path

lines = Path("requirements/base.in").read_text().split()
wanted = f"# sources: {lines}\\n" + "".join(f"{line}==1\\n" for line in lines)
lock = Path("requirements/base.txt")
if "--check" in sys.argv:
    sys.exit(lock.read_text() != wanted)
lock.write_text(wanted if "broken" not in wanted else "half")
if "broken" in wanted:
    sys.exit("no versions for broken")
"""
BASE = "django\n\n\nredis\n"
OURS, THEIRS = "django\n\n\nredis\nours\n", "theirs\ndjango\n\n\nredis\n"


def requirements(text):
    return {"requirements/base.in": text, "requirements/base.txt": locked(*text.split())}


def locked(*names):
    return f"# sources: {list(names)}\n" + "".join(f"{name}==1\n" for name in names)


@pytest.fixture
def product(project, copy):
    """Return a copy of release 0.1.1, with a requirement of its own."""
    project.release("0.1.1", {PROGRAM: LOCK, **requirements(BASE)})
    copy.git("pull", "--quiet", "upstream", "main")
    copy.commit(requirements(OURS))
    return copy


def test_locks_of_both_sides_are_made_anew_in_the_merge(project, product, upgrade):
    project.release("0.2.0", requirements(THEIRS))
    status, printed = upgrade(product, "--to", "0.2.0")

    assert status == 0, printed
    assert product.read("requirements/base.txt") == locked("theirs", "django", "redis", "ours")
    assert "made anew from the merged requirements:\n  requirements/base.txt\n" in printed
    assert product.git("status", "--porcelain") == ""
    assert product.git("log", "-1", "--format=%s") == "Merge release 0.2.0"


def test_locks_without_a_conflict_of_git_are_made_anew_too(project, product, upgrade):
    product.commit({"requirements/base.txt": locked(*BASE.split())})
    project.release("0.2.0", {"requirements/base.in": THEIRS})
    status, printed = upgrade(product, "--to", "0.2.0")

    assert status == 0, printed
    assert product.read("requirements/base.txt") == locked("theirs", "django", "redis", "ours")


def test_locks_that_fit_stay(project, product, upgrade):
    project.release("0.2.0", {"requirements/README": "Text.\n"})
    status, printed = upgrade(product, "--to", "0.2.0")

    assert status == 0, printed
    assert "made anew" not in printed
    assert product.read("requirements/base.txt") == requirements(OURS)["requirements/base.txt"]


def test_a_failure_leaves_a_merge_with_the_locks_of_the_release(project, product, upgrade):
    project.release("0.2.0", requirements(f"broken\n{BASE}"))
    status, printed = upgrade(product, "--to", "0.2.0")

    assert status == 1
    assert "then `make lock`, and `git commit` them:\n  no versions for broken\n" in printed
    assert product.read("requirements/base.txt") == locked("broken", *BASE.split())
    assert product.git("status", "--porcelain") == ""


@pytest.mark.parametrize("conflict", ["requirements/base.in", PROGRAM])
def test_a_conflict_of_what_they_are_made_from_comes_first(project, product, upgrade, conflict):
    product.commit({**requirements("django\nours\n"), PROGRAM: f"# ours\n{LOCK}"})
    theirs = {**requirements("django\ntheirs\n"), PROGRAM: f"# theirs\n{LOCK}"}
    if conflict == PROGRAM:
        theirs["requirements/base.in"] = BASE
    else:
        theirs.pop(PROGRAM)
    project.release("0.2.0", theirs)
    status, printed = upgrade(product, "--to", "0.2.0")

    assert status == 1
    assert "<<<<<<<" in product.read("requirements/base.txt")
    assert f"  {conflict}\n" in printed
    assert "locks: git checkout --theirs" in printed


def test_a_program_that_is_not_there_changes_nothing(project, product, upgrade):
    project.release("0.2.0", {**requirements(THEIRS), PROGRAM: None})
    status, printed = upgrade(product, "--to", "0.2.0")

    assert status == 1
    assert "locks: git checkout --theirs" in printed
    assert "<<<<<<<" in product.read("requirements/base.txt")
