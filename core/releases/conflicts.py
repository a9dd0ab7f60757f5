"""Kinds of conflicts, with the cure of each, and migrations that a merge leaves with two leaves."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

LOCK = "git checkout --theirs requirements/*.txt, then `make lock`, when requirements/*.in have no conflict"
CODE = (
    "code",
    "take the lines of the release (git checkout --theirs), and make your change again, in an own app if it can be",
)
# The first pattern of `fnmatch` that fits a path names its kind.
KINDS = {
    ("requirements/*.txt",): ("locks", LOCK),
    ("requirements/*.in",): (
        "requirements",
        "keep your packages, and the bounds of the release; then `make lock`",
    ),
    ("migrations/*", "*/migrations/*"): (
        "migrations",
        "keep both files; rename yours and the dependencies on it, if both have one name",
    ),
    ("access_matrix.txt", "*/access_matrix.txt"): ("access matrix", "keep the rows of both sides"),
    ("urls.py", "*/urls.py"): ("URLs", "keep the routes of both sides; the order of the release"),
    ("config/tests/*",): CODE,
    (
        *("config/*", ".env.example", "docker-compose.yml", "Dockerfile"),
        *("pyproject.toml", "pytest.ini", ".importlinter"),
    ): (
        "settings",
        "keep your values, VERSION too; take the names that the release adds, and leave out those that it removes",
    ),
    ("docs/releases/*",): (
        "records of releases",
        "git checkout --theirs: those of the project are not changed; your own are in docs/releases/own",
    ),
    ("docs/*", "*.md"): (
        "docs",
        "git checkout --theirs for a page of the project, --ours for one that is yours by now",
    ),
    ("templates/*", "*/templates/*"): (
        "templates",
        "keep your texts; take the variables and blocks of the release",
    ),
    ("*",): CODE,
}
REMOVED = ("removed by the release", "move what you need into an own app, then `git rm`")
RENAMED = ("renamed by the release", "removed here; `git rm` it, or `git add` it")


def kind_of(path: str, sides: Iterable[int]) -> tuple[str, str]:
    """Return the kind of a conflict, and what to do. A file has the sides 1 (base), 2 (here), 3 (release)."""
    present = set(sides)
    if 3 not in present:
        return REMOVED
    if 2 not in present:
        return RENAMED
    return next(kind for patterns, kind in KINDS.items() if any(fnmatchcase(path, each) for each in patterns))


def described(conflicts: Mapping[str, set[int]]) -> list[str]:
    """Return the lines of a report: each kind with what to do, and its files."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for path, sides in sorted(conflicts.items()):
        kinds.setdefault(kind_of(path, sides), []).append(path)
    return [
        line
        for (kind, cure), paths in kinds.items()
        for line in (f"{kind}: {cure}", *(f"  {path}" for path in paths))
    ]


def with_two_leaves(added: Iterable[str], own: Iterable[str]) -> list[str]:
    """Return the folders of migrations to which both the release and this copy have added one."""
    return sorted(folders_of_migrations(added) & folders_of_migrations(own))


def folders_of_migrations(paths: Iterable[str]) -> set[str]:
    files = map(PurePosixPath, paths)
    return {
        str(file.parent)
        for file in files
        if file.parent.name == "migrations" and file.suffix == ".py" and file.name[0].isdigit()
    }


def folders_above(path: str) -> list[str]:
    """Return the folders that a file is in, the outermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]


def folders_of(paths: Iterable[str]) -> set[str]:
    return {folder for path in paths for folder in folders_above(path)}
