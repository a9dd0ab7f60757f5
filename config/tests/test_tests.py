"""The rules of the tests themselves."""

import ast
from pathlib import Path

from django.conf import settings

from config.tests import inventory

SOURCES = {
    str(path.relative_to(settings.BASE_DIR)): ast.parse(path.read_text())
    for folder in (*inventory.APPS, "benchmarks", "clients")
    for path in sorted(Path(settings.BASE_DIR, folder).rglob("*.py"))
    if folder == "clients" or "tests" in path.parts[len(settings.BASE_DIR.parts) :]
    if "generated" not in path.parts and "node_modules" not in path.parts
} | {"conftest.py": ast.parse(Path(settings.BASE_DIR, "conftest.py").read_text())}
# Names with an underscore that the documentation of Python and Django describes.
DOCUMENTED = {"_meta", "_state", "_base_manager", "_default_manager", "_replace", "_asdict", "_fields"}
# May wait for time to pass: the helper that polls, a slow mail server, what a pause does to a connection, and clients
# that wait after a refusal.
WAITING = {
    *("core/tests/waiting.py", "config/tests/behind_nginx.py", "core/outbox/tests/test_smtp.py"),
    *("config/tests/faults/balancer.py", "config/tests/faults/crowd.py", "config/tests/processes.py"),
    "clients/session.py",
}
# Guards the private names of dependencies that the product uses; the others drive a program that cannot be stopped,
# or list its parameters, by a public name.
PRIVATE = {
    "config/tests/test_private_names.py",
    "core/outbox/tests/test_dispatcher.py",
    "core/openapi/tests/test_schema.py",
}


def private_names(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            of_itself = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            names = [] if of_itself else [node.attr]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"setattr", "delattr"}:
            names = [item.value.rpartition(".")[2] for item in node.args if is_text(item)]
        else:
            names = []
        yield from (name for name in names if name.startswith("_") and not name.startswith("__"))


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_there_are_sources_to_read():
    assert len(SOURCES) > 150
    assert set(SOURCES) >= WAITING | PRIVATE


def test_no_test_uses_a_private_name():
    rows = {path: names for path, tree in SOURCES.items() if (names := {*private_names(tree)} - DOCUMENTED)}

    assert {path: names for path, names in rows.items() if path not in PRIVATE} == {}


def test_only_one_helper_polls():
    sleeping = {
        path for path, tree in SOURCES.items() for name, _call in inventory.calls(tree) if name == "sleep"
    }

    assert sleeping == WAITING


def test_no_loop_waits_without_doing_anything():
    idle = [
        f"{path}:{node.lineno}"
        for path, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.While)
        and all(isinstance(step, ast.Pass | ast.Continue) for step in node.body)
    ]

    assert idle == []
