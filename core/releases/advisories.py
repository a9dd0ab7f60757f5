"""Advisories, `docs/releases/advisories.json`: {"product": "…", "advisories": [{…}]}.

Each has `id`; `severity`, one of SEVERITIES; `versions`, a list of the releases that it concerns; `fixed_in`, the
first release that it does not concern; `files`, a list of the files that the fix changes; and `text`: what may happen
to whom, and what to do until then. It is published with the release that fixes it.
"""

from typing import Any, NamedTuple

from core.releases.manifest import ADVISORIES, RecordError, number_of, product_of, read_json
from core.releases.trees import Tree

SEVERITIES = ("low", "medium", "high", "critical")


class Advisory(NamedTuple):
    """Advisory of one defect."""

    id: str
    severity: str
    versions: list[str]
    fixed_in: str
    files: list[str]
    text: str


def read_advisories(tree: Tree) -> list[Advisory]:
    """Return the advisories of a tree. Raises RecordError, which names the entry and the field."""
    product_of(tree)
    listed = read_json(tree, ADVISORIES)
    if listed.keys() != {"product", "advisories"} or not isinstance(listed["advisories"], list):
        raise RecordError(f"{ADVISORIES}: it must have product and a list of advisories")
    advisories = [advisory_of(entry, place) for place, entry in enumerate(listed["advisories"], start=1)]
    ids = [advisory.id for advisory in advisories]
    if len(set(ids)) < len(ids):
        raise RecordError(f"{ADVISORIES}: an id is there twice")
    return advisories


def advisory_of(entry: Any, place: int) -> Advisory:
    if not isinstance(entry, dict) or entry.keys() != set(Advisory._fields):
        raise RecordError(f"{ADVISORIES}: entry {place} must have {', '.join(Advisory._fields)}")
    valid = {
        "id": is_text(entry["id"]),
        "severity": entry["severity"] in SEVERITIES,
        "versions": is_list(entry["versions"]) and all(number_of(item) for item in entry["versions"]),
        "fixed_in": is_text(entry["fixed_in"]) and bool(number_of(entry["fixed_in"])),
        "files": is_list(entry["files"]),
        "text": is_text(entry["text"]),
    }
    for field, is_valid in valid.items():
        if not is_valid:
            raise RecordError(f"{ADVISORIES}: entry {place}: wrong {field}: {entry[field]!r}")
    return Advisory(**entry)


def is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(is_text(item) for item in value)
