"""Changes of files and folders of the project: all of them, or none. Each file is replaced by a rename."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def replaced(texts: Mapping[Path, str], removed: Path | None = None) -> Iterator[Path]:
    """Put the texts in place and move the folder away, then run the body. If any of these fails, all is as before.

    Yield the path of the moved folder, in a folder of its own, which the caller deletes. The copies that undo the
    changes are made before the first change, so a full disk does not prevent it. Raises OSError.
    """
    new: dict[Path, Path] = {}
    old: dict[Path, Path] = {}
    away = away_of(removed) if removed is not None else Path()
    try:
        for path, text in texts.items():
            target = path.resolve()  # a symbolic link stays one
            new[target] = target.with_name(f".{path.name}.new")
            old[target] = target.with_name(f".{path.name}.old")
            shutil.copyfile(target, old[target])
            new[target].write_text(text)
            for copy in (old[target], new[target]):
                shutil.copymode(target, copy)
        with ExitStack() as undo:
            for path, temporary in new.items():
                temporary.replace(path)
                undo.callback(old[path].replace, path)
            if removed is not None:
                away.parent.mkdir(exist_ok=True)
                undo.callback(away.parent.rmdir)
                removed.rename(away)
                undo.callback(away.rename, removed)
            yield away
            undo.pop_all()
    finally:
        for temporary in (*new.values(), *old.values()):
            if temporary.is_file():
                temporary.unlink()


def away_of(folder: Path) -> Path:
    """Return the path of a folder while it is being removed: no path on which Python, Django or pytest search."""
    return folder.with_name(f".{folder.name}.removed") / folder.name


def put_folder(source: Path, target: Path) -> None:
    """Copy a folder to a path that is free, where it is whole or not at all. Raises OSError."""
    arriving = target.with_name(f".{target.name}.new")
    shutil.rmtree(arriving, ignore_errors=True)  # of a process that was killed
    try:
        shutil.copytree(source, arriving, ignore=shutil.ignore_patterns("__pycache__"))
        arriving.rename(target)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
