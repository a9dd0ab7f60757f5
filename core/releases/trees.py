"""Files of a release: of the folder that a copy is in, or of a commit."""

from pathlib import Path
from typing import Protocol

from core.releases.git import Git


class Tree(Protocol):
    """Source of the files of docs/releases."""

    def read(self, path: str) -> str | None:
        """Return the text of a file; None if there is no such file."""

    def folders(self, path: str) -> list[str]:
        """Return the names of the folders in a folder."""


class Folder:
    """Tree of the files on the disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> str | None:
        file = self.root / path
        return file.read_text() if file.is_file() else None

    def folders(self, path: str) -> list[str]:
        folder = self.root / path
        return [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []


class Commit:
    """Tree of a commit."""

    def __init__(self, git: Git, name: str) -> None:
        self.git, self.name = git, name

    def read(self, path: str) -> str | None:
        done = self.git.run("cat-file", "blob", f"{self.name}:{path}")
        return None if done.status else done.text

    def folders(self, path: str) -> list[str]:
        listed = self.git.output("ls-tree", "-d", "-z", "--name-only", self.name, f"{path}/")
        return [name.rpartition("/")[2] for name in listed.split("\0") if name]

    def blobs(self) -> dict[str, str]:
        """Return {path: hash of its content} of all files."""
        listed = self.git.output("ls-tree", "-r", "-z", self.name)
        entries = (entry.partition("\t") for entry in listed.split("\0") if entry)
        return {path: described.split()[2] for described, _tab, path in entries}
