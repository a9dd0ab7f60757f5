"""The merge of a release into a copy, on a branch of its own.

Git merges, with the release of the copy as the base. It finds that base in the history. A copy whose history does not
have the release, because it began from a template or was squashed, gets it by a merge that changes no file
(`git merge -s ours`): from then on its next merges are plain ones too.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.releases import locks
from core.releases.conflicts import described, folders_above, folders_of, with_two_leaves
from core.releases.git import Git, failure
from core.releases.manifest import (
    OWN,
    RELEASES,
    newest_release,
    number_of,
    path_of,
    product_of,
    read_release,
)
from core.releases.tags import Fetched, commit_of_version, find
from core.releases.trees import Commit, Folder

# Renames of folders are not followed: a new file of `resources` would go into the app that was made from it.
MERGE = ("-c", "merge.directoryRenames=false", "merge", "--no-ff", "--no-commit", "--no-edit", "-m")
BY_NAME = ("--pathspec-from-file=-", "--pathspec-file-nul")
MAX_LINES = 10  # of `git status` in a refusal


class Refusal(Exception):
    """Reason why nothing is merged; nothing was changed."""


@dataclass
class Merged:
    """Result of a merge."""

    version: str
    branch: str
    conflicts: dict[str, set[int]] = field(default_factory=dict)
    not_taken: list[str] = field(default_factory=list)
    on_both_sides: list[str] = field(default_factory=list)
    two_leaves: list[str] = field(default_factory=list)
    rebuilt: list[str] = field(default_factory=list)  # locks
    not_rebuilt: str = ""
    not_committed: str = ""

    @property
    def is_done(self) -> bool:
        return not (self.conflicts or self.two_leaves or self.not_rebuilt or self.not_committed)


def merge(root: Path, git: Git, remote: str, to: str) -> Merged | None:
    """Merge a release on the branch `upgrade-<version>`; return None if the copy has it already.

    Raises Refusal, RecordError and ProgramError; then the branch and the files are as before.
    """
    refuse_unready(root, git)
    product, current = product_of(Folder(root)), newest_release(Folder(root))
    target = fetched(git, remote, lambda: find(git, remote, to, product))
    if target is None:
        raise Refusal(f"--to: {remote} has no release {to!r} of {product}")
    if has(root, git, target, product, by_version=bool(number_of(to))):
        return None
    refuse_own_records(root, Commit(git, target.commit), product)
    label = target.version
    if number_of(target.version) < number_of(current.version):
        raise Refusal(
            f"--to: {to} is of release {label}, and this copy is of the newer one {current.version}"
        )
    if target.version == current.version:  # commits after the release of the copy
        label = f"{label}-{target.commit[:8]}"
    base = fetched(git, remote, lambda: commit_of_version(git, remote, current.version, product))
    recorded = Folder(root).read(path_of(current.version))
    if base is None or Commit(git, base).read(path_of(current.version)) != recorded:
        raise Refusal(
            f"{remote} has no tag v{current.version} with the {path_of(current.version)} of this copy"
        )
    merged = Merged(label, f"upgrade-{label}")
    return on_branch(root, git, base, target.commit, merged, current.version)


def has(root: Path, git: Git, target: Fetched, product: str, *, by_version: bool) -> bool:
    """Return whether a copy has a commit, or by its records a release: a squash leaves no commit of it."""
    if git.run("merge-base", "--is-ancestor", target.commit, "HEAD").status == 0:
        return True
    recorded = read_release(Folder(root), target.version) if by_version else None
    return recorded is not None and recorded[0] == product


def refuse_unready(root: Path, git: Git) -> None:
    top = git.output("rev-parse", "--show-toplevel").strip()
    if Path(top).resolve() != root.resolve():
        raise Refusal(f"{root} must be the root of its git repository, which is {top}")
    if git.commit_of("MERGE_HEAD"):
        left = described(unmerged(git)) or ["no conflict is left"]
        raise Refusal(
            "\n".join(["a merge is in progress here:", *left])
            + "\nEnd it by `git add` of these files and `git commit`, or undo it by `git merge --abort`."
        )
    if changes := git.output("status", "--porcelain", "--untracked-files=no").splitlines():
        more = [f"and {len(changes) - MAX_LINES} more"] if len(changes) > MAX_LINES else []
        lines = "\n".join([*changes[:MAX_LINES], *more])
        raise Refusal(f"files were changed and not committed:\n{lines}")


def refuse_own_records(root: Path, release: Commit, product: str) -> None:
    """Refuse records of another product, such as the copy itself, in folders that the release has too."""
    for version in filter(number_of, set(Folder(root).folders(RELEASES)) & set(release.folders(RELEASES))):
        recorded = read_release(Folder(root), version)
        if recorded and recorded[0] != product:
            raise Refusal(
                f"{RELEASES}/{version} is a record of {recorded[0]}, and {product} has that version too. "
                f"Move it first: mkdir -p {OWN}, git mv {RELEASES}/{version} {OWN}/{version}, git commit"
            )


def fetched(git: Git, remote: str, look_up: Callable[[], Any]) -> Any:
    """Return what is looked up, after a fetch if it is not here yet.

    The tags of releases are fetched to where those of this product cannot have the same name.
    """
    if (result := look_up()) is not None:
        return result
    if remote not in git.output("remote").split():
        raise Refusal(f"there is no remote {remote}: git remote add --no-tags {remote} ADDRESS")
    git.output("fetch", "--no-tags", remote, f"+refs/tags/v*:refs/remotes/{remote}/v*")
    return look_up()


def on_branch(root: Path, git: Git, base: str, target: str, merged: Merged, current: str) -> Merged:
    if git.commit_of(f"refs/heads/{merged.branch}"):
        raise Refusal(
            f"the branch {merged.branch} exists, of a run before. Go on there (git switch {merged.branch}), "
            f"or begin anew (git branch -D {merged.branch})"
        )
    before = git.run("symbolic-ref", "--quiet", "--short", "HEAD").text.strip()
    start = [before] if before else ["--detach", git.output("rev-parse", "HEAD").strip()]
    git.output("switch", "--quiet", "--create", merged.branch)
    try:
        if git.run("merge-base", "--is-ancestor", base, "HEAD").status:
            message = f"Record that this copy is of release {current}"
            git.output(
                "merge", "--strategy=ours", "--allow-unrelated-histories", "--no-edit", "-m", message, base
            )
        run_merge(root, git, target, merged)
    except BaseException:
        git.output("reset", "--hard", "--quiet")  # of a tree that had no changes
        git.output("switch", "--quiet", *start)
        git.output("branch", "-D", merged.branch)
        raise
    return merged


def run_merge(root: Path, git: Git, target: str, merged: Merged) -> None:
    base = Commit(git, git.output("merge-base", "HEAD", target).strip()).blobs()
    here, release = Commit(git, "HEAD").blobs(), Commit(git, target).blobs()
    done = git.run(*MERGE, f"Merge release {merged.version}", target)
    if done.status and not git.commit_of("MERGE_HEAD"):
        raise failure("merge", done)
    own = here.keys() - base.keys() - release.keys()
    restore(git, own, here)
    folders = folders_of(base) - folders_of(here)
    merged.not_taken = sorted(
        path
        for path in release.keys() - here.keys()
        if (path in base and release[path] != base[path])
        or (path not in base and folders.intersection(folders_above(path)))
    )
    conflicts = unmerged(git)
    both_removed = [path for path, sides in conflicts.items() if sides == {1}]
    remove(git, {*merged.not_taken, *both_removed})
    if any(release[path] != base.get(path) for path in release if path.startswith("requirements/")):
        merged.rebuilt, merged.not_rebuilt = locks.rebuild(root, git, unmerged(git))
    merged.conflicts = unmerged(git)
    merged.on_both_sides = sorted(
        path
        for path in base.keys() & here.keys() & release.keys() - merged.conflicts.keys() - {*merged.rebuilt}
        if len({base[path], here[path], release[path]}) == 3
    )
    merged.two_leaves = with_two_leaves(release.keys() - base.keys() - here.keys(), own)
    if not merged.conflicts:
        committed = git.run("commit", "--quiet", "--no-edit")
        if committed.status:
            merged.not_committed = str(failure("commit", committed))


def restore(git: Git, own: Iterable[str], here: dict[str, str]) -> None:
    """Restore files of this copy alone that git has changed: it takes some of them for a file of the release that was
    moved, such as those of an app that was made from the example."""
    staged = {path: blob for path, (blob, sides) in index(git).items() if sides == {0}}
    if moved := [path for path in own if staged.get(path) != here[path]]:
        git.output("--literal-pathspecs", "checkout", "HEAD", *BY_NAME, stdin="\0".join(moved))


def remove(git: Git, paths: Iterable[str]) -> None:
    if present := index(git).keys() & set(paths):
        git.output(
            "--literal-pathspecs", "rm", "--force", "--quiet", *BY_NAME, stdin="\0".join(sorted(present))
        )


def unmerged(git: Git) -> dict[str, set[int]]:
    """Return the files with a conflict, with their sides."""
    return {path: sides for path, (_blob, sides) in index(git).items() if sides != {0}}


def index(git: Git) -> dict[str, tuple[str, set[int]]]:
    """Return the files of the index, with the last blob and all sides of each."""
    files: dict[str, tuple[str, set[int]]] = {}
    for entry in filter(None, git.output("ls-files", "--stage", "-z").split("\0")):
        fields, _, path = entry.partition("\t")
        _mode, blob, side = fields.split()
        files[path] = (blob, files.get(path, ("", set()))[1] | {int(side)})
    return files
