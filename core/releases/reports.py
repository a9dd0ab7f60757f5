"""Texts that `manage.py upgrade` prints."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from core.releases.conflicts import described
from core.releases.merging import Merged

MANY = 5
UPSTREAM = "upstream"  # the default remote


def of_state(state: dict[str, Any], remote: str) -> str:
    lines = [f"This copy is of release {state['release']}. {newer(state, remote)}"]
    lines += listed("Files of the release that were changed here", state["changed"])
    lines += listed("Files of the release that were removed here", grouped(state["removed"]))
    for advisory in state["advisories"]:
        lines += [
            f"{advisory['id']} ({advisory['severity']}) concerns this copy, and is fixed in {advisory['fixed_in']}:",
            f"  {advisory['text']}",
            *(
                f"  {name}{', which was changed here' if name in advisory['changed_here'] else ''}"
                for name in advisory["files"]
            ),
        ]
    return "\n".join(lines)


def newer(state: dict[str, Any], remote: str) -> str:
    if state["newest"] is None:
        return f"No release was fetched, so it is not known whether there is a newer one: git fetch {remote}"
    if state["newer"]:
        option = "" if remote == UPSTREAM else f" --remote {remote}"
        return f"Release {state['newest']} is newer: manage.py upgrade --to v{state['newest']}{option}"
    return f"No newer one was fetched; the newest is {state['newest']}."


def of_merge(merged: Merged) -> str:
    lines = [f"Release {merged.version} is merged on the branch {merged.branch}."]
    lines += listed(
        "Changed by the release, but removed here, so they stay removed", grouped(merged.not_taken)
    )
    lines += listed("Changed on both sides without a conflict; read these", merged.on_both_sides)
    lines += listed("Locks that were made anew from the merged requirements", merged.rebuilt)
    if merged.not_rebuilt:
        lines += ["The locks could not be made anew. Fix this, then `make lock`, and `git commit` them:"]
        lines += [f"  {line}" for line in merged.not_rebuilt.splitlines()]
    if merged.conflicts:
        lines += ["Conflicts. Edit each file, then `git add` it, and `git commit` at the end:"]
        lines += [f"  {line}" for line in described(merged.conflicts)]
    lines += listed(
        "Both sides have new migrations. When no conflict is left, `manage.py makemigrations --merge`, for",
        merged.two_leaves,
    )
    if merged.not_committed:
        lines += [f"The merge is not committed. Fix this, then `git commit`: {merged.not_committed}"]
    lines += ["Then: make check, make test, and merge this branch into yours."]
    return "\n".join(lines)


def listed(title: str, names: Iterable[str]) -> list[str]:
    lines = [f"  {name}" for name in names]
    return [f"{title}:", *lines] if lines else []


def grouped(names: Iterable[str]) -> list[str]:
    """Return the names, with one line for a top folder that has many of them."""
    paths = list(names)
    counts = Counter(path.partition("/")[0] for path in paths if "/" in path)
    folders = {folder for folder, count in counts.items() if count > MANY}
    return [
        *(f"{folder}/ ({counts[folder]} files)" for folder in sorted(folders)),
        *(path for path in paths if path.partition("/")[0] not in folders),
    ]
