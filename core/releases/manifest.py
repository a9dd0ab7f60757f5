"""The manifest of a release, `docs/releases/<version>/manifest.json`: its files with their SHA-256.

{"product": "…", "version": "0.2.0", "files": {path: hash}}, the paths sorted; `docs/releases` itself is not in it.
`product` separates the releases of this project from those that the product of a copy records in the same place:
`docs/releases/advisories.json` has the project that a copy is made from. The records of the product that a copy became
are in `docs/releases/own`: their versions may be those of the project's.
"""

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from core.releases.trees import Tree

RELEASES = "docs/releases"
OWN = f"{RELEASES}/own"
ADVISORIES = f"{RELEASES}/advisories.json"
VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
HASH = re.compile(r"[0-9a-f]{64}")


class RecordError(Exception):
    """Record of a release that is missing or has another format."""


class Release(NamedTuple):
    """Release of this project, as its manifest describes it."""

    version: str
    files: Mapping[str, str]


def number_of(version: str) -> tuple[int, ...]:
    """Return (0, 2, 0) of `0.2.0` or `v0.2.0`, and nothing of any other text."""
    match = VERSION.fullmatch(version)
    return tuple(int(part) for part in match.groups()) if match else ()


def path_of(version: str, folder: str = RELEASES) -> str:
    return f"{folder}/{version}/manifest.json"


def manifest_of(product: str, version: str, root: Path, names: Iterable[str]) -> dict[str, Any]:
    """Return the manifest of the files with these names."""
    files = {name: hash_of(root / name) for name in sorted(names) if not name.startswith(f"{RELEASES}/")}
    return {"product": product, "version": version, "files": files}


def hash_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def read_json(tree: Tree, path: str) -> Any:
    """Return the content of a JSON file; None if there is no such file. Raises RecordError."""
    try:
        text = tree.read(path)
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise RecordError(f"{path}: {error}") from error


def read_release(tree: Tree, version: str, folder: str = RELEASES) -> tuple[str, Release] | None:
    """Return the product and the release of a manifest; None if there is none. Raises RecordError."""
    path = path_of(version, folder)
    record = read_json(tree, path)
    if record is None:
        return None
    if not isinstance(record, dict) or record.keys() != {"product", "version", "files"}:
        raise RecordError(f"{path}: it must have product, version and files")
    if record["version"] != version:
        raise RecordError(f"{path}: version must be {version!r}")
    files = record["files"]
    if not isinstance(files, dict) or not all(
        isinstance(value, str) and HASH.fullmatch(value) for value in files.values()
    ):
        raise RecordError(f"{path}: files must be {{path: SHA-256}}")
    return str(record["product"]), Release(version, files)


def product_of(tree: Tree) -> str:
    """Return the name of the project that a copy is made from. Raises RecordError."""
    listed = read_json(tree, ADVISORIES)
    if not isinstance(listed, dict) or not isinstance(listed.get("product"), str):
        raise RecordError(f"{ADVISORIES} is missing, or has no product")
    return str(listed["product"])


def folder_of_records(tree: Tree, product: str) -> str:
    """Return the folder for the records of a product's releases. Raises RecordError."""
    return RELEASES if product == product_of(tree) else OWN


def newest_of(tree: Tree, product: str) -> tuple[str, Release] | None:
    """Return the newest release of a product, with the folder of its record; None without one. Raises RecordError."""
    versions = [
        (number_of(name), folder, name) for folder in (RELEASES, OWN) for name in tree.folders(folder)
    ]
    for number, folder, version in sorted(versions, reverse=True):
        if number and (recorded := read_release(tree, version, folder)) and recorded[0] == product:
            return f"{folder}/{version}", recorded[1]
    return None


def newest_release(tree: Tree) -> Release:
    """Return the newest release of this project that a tree has a manifest of. Raises RecordError."""
    product = product_of(tree)
    if newest := newest_of(tree, product):
        return newest[1]
    raise RecordError(
        f"{RELEASES} has no manifest.json of a release of {product}: this copy is older than the first one. "
        "Merge that once by `git merge` of its tag; docs/adopting.md has the steps"
    )


def differences(release: Release, root: Path) -> tuple[list[str], list[str]]:
    """Return the files of a release that were changed, and those that were removed, in a folder."""
    removed = [name for name in release.files if not (root / name).is_file()]
    gone = set(removed)
    changed = [
        name
        for name, expected in release.files.items()
        if name not in gone and hash_of(root / name) != expected
    ]
    return changed, removed
