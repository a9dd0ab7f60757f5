"""The record of what `startresource` made: the files of the app with their hashes."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.conf import settings

from core.scaffold import app_list
from core.scaffold.writing import away_of

NAME = ".startresource.json"


def folder_of(app: str) -> Path:
    return Path(settings.BASE_DIR) / app


def hashes(folder: Path) -> dict[str, str]:
    """Return {path: SHA-256} of the files of an app, but for the record and what Python compiles."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME and "__pycache__" not in path.parts
    }


def write(folder: Path, name: str, arguments: list[str]) -> None:
    made = {"name": name, "command": arguments, "files": hashes(folder)}
    (folder / NAME).write_text(f"{json.dumps(made, indent=2)}\n")


def read(app: str) -> Mapping[str, Any] | None:
    """Return the record of an app; None if the app was written by hand, or the record is damaged."""
    return read_in(folder_of(app))


def read_in(folder: Path) -> Mapping[str, Any] | None:
    try:
        made = json.loads((folder / NAME).read_text())
    except (OSError, ValueError):
        return None
    is_record = isinstance(made, dict) and isinstance(made.get("files"), dict) and "name" in made
    return made if is_record else None


def interrupted() -> dict[str, str]:
    """Return {name of the resource: instructions} for the apps whose making or removal was interrupted."""
    base = Path(settings.BASE_DIR)
    cures = {}
    for path in (*base.glob(f"*/{NAME}"), *base.glob(f".*/*/{NAME}")):
        folder, app = path.parent, path.parent.name
        made = read_in(folder)
        if made is not None and folder in {folder_of(app), away_of(folder_of(app))}:
            cures[made["name"]] = cure_of(app)
    return {name: cure for name, cure in cures.items() if cure}


def cure_of(app: str) -> str:
    """Return instructions if a command that made or removed the app was killed, else ""."""
    folder, away = folder_of(app), away_of(folder_of(app))
    base = Path(settings.BASE_DIR)
    if away.is_dir():
        beginning = f"The removal of {app} was interrupted. Move {away.relative_to(base)}/ to {app}/, add"
    elif (folder / "models.py").is_file() and not app_list.has(app):
        beginning = f"{app}/ is here, but not in config/local_apps.py. If a command was interrupted, add"
    else:
        return ""
    return (
        f'{beginning} the line `"{app}",` to LOCAL_APPS, and run `manage.py removeresource` or `setup` again; '
        f"or delete the folder, if no database has tables of the app."
    )


def differences(app: str, made: Mapping[str, Any]) -> list[str]:
    """Return what was changed, added or removed since, as `changed: path`."""
    before, now = made["files"], hashes(folder_of(app))
    return [
        *(f"changed: {app}/{path}" for path in before if path in now and now[path] != before[path]),
        *(f"added: {app}/{path}" for path in now if path not in before),
        *(f"removed: {app}/{path}" for path in before if path not in now),
    ]
