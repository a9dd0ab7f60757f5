"""The state of a copy: its release, the files that were changed, and the advisories that concern it."""

from pathlib import Path
from typing import Any

from core.releases.advisories import read_advisories
from core.releases.git import Git
from core.releases.manifest import RecordError, differences, newest_release, number_of, product_of
from core.releases.tags import find, newest_fetched
from core.releases.trees import Commit, Folder, Tree


def state_of(root: Path, git: Git, remote: str, to: str = "") -> dict[str, Any]:
    """Return what `manage.py upgrade --check --json` prints. Raises RecordError and ProgramError.

    `newest` is the release `to`, else the newest that was fetched, or None. The advisories are those of that release,
    or of the copy if it is not newer.
    """
    copy: Tree = Folder(root)
    product, release = product_of(copy), newest_release(copy)
    fetched = find(git, remote, to, product) if to else newest_fetched(git, remote, product)
    if to and fetched is None:
        raise RecordError(f"--to: no release {to!r} was fetched")
    newer = fetched is not None and number_of(fetched.version) > number_of(release.version)
    changed, removed = differences(release, root)
    different = {*changed, *removed}
    return {
        "release": release.version,
        "newest": fetched.version if fetched else None,
        "newer": newer,
        "changed": changed,
        "removed": removed,
        "advisories": [
            {**advisory._asdict(), "changed_here": [name for name in advisory.files if name in different]}
            for advisory in read_advisories(Commit(git, fetched.commit) if fetched and newer else copy)
            if release.version in advisory.versions
        ],
    }
