"""Check that the product uses no private names of its dependencies, and patches none of them (part of `make check`).

Private is a name that begins with one underscore and that the dependency does not document. Three kinds of use are
found: imports and attributes (in the source), and overrides in a subclass (in the loaded classes). The unavoidable ones
are UNAVOIDABLE; docs/architecture.md gives the reasons, and a test fails by name when the dependency changes.
"""

import ast
import importlib
import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django

ROOT = Path(__file__).resolve().parent.parent
OURS = ("core", "accounts", "resources", "config", "benchmarks")
SKIPPED = {"tests", "migrations", "peers"}
ARCHITECTURE = ROOT / "docs" / "architecture.md"

UNAVOIDABLE = {"_declared_fields", "_get_value", "_store"}
# Names that begin with an underscore and are documented all the same.
DOCUMENTED = {
    # https://docs.djangoproject.com/en/5.2/ref/models/meta/ and …/ref/models/instances/#state
    *("_meta", "_state"),
    # https://docs.djangoproject.com/en/5.2/topics/db/managers/
    *("_base_manager", "_default_manager", "_db"),
    # https://docs.djangoproject.com/en/5.2/howto/custom-file-storage/
    *("_save", "_open"),
    # https://docs.python.org/3/library/collections.html#collections.somenamedtuple._replace
    *("_asdict", "_fields", "_make", "_replace"),
}
# Attributes of modules that are documented as there to be set.
SETTABLE = {
    # https://docs.python.org/3/library/sys.html#sys.excepthook, …/threading.html#threading.excepthook
    *("sys.excepthook", "threading.excepthook"),
    # https://docs.python.org/3/library/sys.html#sys.__stdout__: Celery writes "Warm shutdown" to it, past every logger
    "sys.__stdout__",
    # https://pillow.readthedocs.io/en/stable/reference/limits.html
    "Image.MAX_IMAGE_PIXELS",
}
MODULES = [
    path
    for top in OURS
    for path in sorted((ROOT / top).rglob("*.py"))
    if not SKIPPED & set(path.relative_to(ROOT).parts)
]


def is_private(name: object) -> bool:
    return (
        isinstance(name, str)
        and name.startswith("_")
        and not name.startswith("__")
        and name != "_"
        and name not in DOCUMENTED
    )


def own_members(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (class, private name) of what the classes of a module define, in their bodies or on `self`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        for part in ast.walk(node):
            match part:
                case ast.FunctionDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                    pass
                case ast.Attribute(attr=name, value=ast.Name(id="self" | "cls"), ctx=ast.Store()):
                    pass
                case _:
                    continue
            if is_private(name):
                yield node.name, name


def foreign_names(tree: ast.AST) -> set[str]:
    """Return the names that a module has imported from elsewhere."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name for alias in node.names if not alias.name.startswith(OURS)}
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(OURS):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def uses(tree: ast.AST, own: set[str]) -> Iterator[tuple[int, str, str]]:
    """Yield (line, name, text) of each private name of somebody else, and of each assignment to what is theirs."""
    foreign = foreign_names(tree)
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str() as module) if not module.startswith(OURS):
                # The documented names are attributes: `Model._state` does not allow a module `_state`.
                for name in [*module.split("."), *(alias.name for alias in node.names)]:
                    if name.startswith("_") and not name.startswith("__"):
                        yield node.lineno, name, ast.unparse(node)
            case ast.Attribute(attr=name, value=value) if is_private(name):
                if name not in own or ast.unparse(value) == "super()":
                    yield node.lineno, name, ast.unparse(node)
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr"), args=[_, ast.Constant(value=name), *_]
            ):
                if is_private(name) and name not in own:
                    yield node.lineno, str(name), ast.unparse(node)
            case ast.Attribute(value=ast.Name(id=owner), ctx=ast.Store() | ast.Del()) if owner in foreign:
                if ast.unparse(node) not in SETTABLE:
                    yield node.lineno, ast.unparse(node), "is patched"


def overrides(path: Path, members: set[tuple[str, str]]) -> Iterator[tuple[int, str, str]]:
    """Yield the private methods and attributes of dependencies that our classes replace."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for _, cls in inspect.getmembers(importlib.import_module(module), inspect.isclass):
        if cls.__module__ != module:
            continue
        for name in {name for owner, name in members if owner == cls.__name__}:
            bases: list[Any] = [base for base in cls.__mro__[1:] if not base.__module__.startswith(OURS)]
            if name in vars(cls) and any(name in vars(base) for base in bases):
                yield inspect.getsourcelines(cls)[1], name, f"{cls.__name__}.{name} overrides a private name"


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    sys.path.insert(0, str(ROOT))
    django.setup()
    trees = {path: ast.parse(path.read_text()) for path in MODULES}
    members = {path: set(own_members(tree)) for path, tree in trees.items()}
    own = {name for pairs in members.values() for _, name in pairs} - UNAVOIDABLE
    findings = set()
    for path, tree in trees.items():
        place = path.relative_to(ROOT)
        findings |= {(place, *use) for use in uses(tree, own)}
        if path.parts[len(ROOT.parts)] != "benchmarks" and members[path]:
            findings |= {(place, *use) for use in overrides(path, members[path])}
    problems = [item for item in findings if item[2] not in UNAVOIDABLE]
    for place, line, name, text in sorted(problems):
        print(f"{place}:{line}: {name}: {text}")
    lines = {item[:2] for item in findings if item[2] in UNAVOIDABLE and "overrides" not in item[3]}
    missing = {name for name in UNAVOIDABLE if f"`{name}`" not in ARCHITECTURE.read_text()}
    if len(lines) > len(UNAVOIDABLE) or missing:
        print(f"{len(lines)} lines use {sorted(UNAVOIDABLE)}; not in {ARCHITECTURE.name}: {sorted(missing)}")
        return 1
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
