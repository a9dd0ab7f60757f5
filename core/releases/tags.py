"""Releases that were fetched: tags `v0.2.0`, in `refs/remotes/upstream/` or in `refs/tags/`.

A product may have tags of the same form. They do not count: their commits have no manifest of this project's release.
"""

from typing import NamedTuple

from core.releases.git import Git
from core.releases.manifest import RecordError, newest_release, number_of, product_of, read_release
from core.releases.trees import Commit


def places(remote: str, version: str) -> list[str]:
    tag = f"v{version.removeprefix('v')}"
    return [f"refs/remotes/{remote}/{tag}", f"refs/tags/{tag}"]


def commit_of_version(git: Git, remote: str, version: str, product: str) -> str | None:
    """Return the commit that is tagged as a release of the product; None if none was fetched."""
    for place in places(remote, version):
        commit = git.commit_of(place)
        recorded = read_release(Commit(git, commit), version.removeprefix("v")) if commit else None
        if recorded and recorded[0] == product:
            return commit
    return None


class Fetched(NamedTuple):
    """Release that was fetched."""

    version: str
    commit: str


def find(git: Git, remote: str, name: str, product: str) -> Fetched | None:
    """Return the release of a version, a tag or another name of git; None if none of the product was fetched."""
    if number_of(name):
        commit = commit_of_version(git, remote, name, product)
        return Fetched(name.removeprefix("v"), commit) if commit else None
    commit = None if name.startswith("-") else git.commit_of(name)
    if commit is None or product_of(Commit(git, commit)) != product:
        return None
    return Fetched(newest_release(Commit(git, commit)).version, commit)


def newest_fetched(git: Git, remote: str, product: str) -> Fetched | None:
    """Return the newest release of the product that was fetched; None if there is none, or no repository."""
    listed = git.run("for-each-ref", "--format=%(refname)", f"refs/remotes/{remote}/v*", "refs/tags/v*")
    versions = {name.rpartition("/")[2].removeprefix("v") for name in listed.text.split()}
    for version in sorted(versions, key=number_of, reverse=True):
        if number_of(version):
            try:
                if release := find(git, remote, version, product):
                    return release
            except RecordError:  # a tag of the product's own, with records of another form
                continue
    return None
