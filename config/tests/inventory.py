"""The URLconf and the source, for the tests that go through all of it."""

import ast
import re
from pathlib import Path

from django.conf import settings
from django.urls import URLResolver, get_resolver

from config.local_apps import LOCAL_APPS

APPS = ("core", "accounts", *LOCAL_APPS, "config")
# The admin has its own tests; previews exist in development only; the last pattern takes what is left over.
ELSEWHERE = re.compile(r"^\^?(admin|dev)(/|$)|^$")
VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")


def patterns(resolver=None, prefix=""):
    """Yield (route, callback) of every pattern, in order."""
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry, route)
        else:
            yield route, entry.callback


def routes():
    """Return {path: callback}, e.g. `/api/v1/resources/{id}`. Of two patterns for one path the first one is
    called."""
    result = {"/": next(callback for route, callback in patterns() if route == "")}
    for route, callback in patterns():
        if not ELSEWHERE.search(route):
            result.setdefault("/" + VARIABLE.sub("{id}", route), callback)
    return result


def variables():
    """Return {path: the names of its variables, in order}."""
    named = {}
    for route, _callback in patterns():
        named.setdefault("/" + VARIABLE.sub("{id}", route), VARIABLE.findall(route))
    return named


def api_views():
    """Return {path: view class} of everything under /api that is a class of REST framework's."""
    return {path: callback.cls for path, callback in routes().items() if hasattr(callback, "cls")}


def lists():
    """Return {path: (viewset, action)} of everything that returns a page of rows."""
    return {
        path: (callback.cls, callback.actions["get"])
        for path, callback in routes().items()
        if callback.__dict__.get("actions", {}).get("get")
        in getattr(callback.__dict__.get("cls"), "list_actions", ())
    }


def sources():
    """Return {`app/file.py`: its text} of everything of ours that runs in production."""
    root = Path(settings.BASE_DIR)
    return {
        str(path.relative_to(root)): path.read_text()
        for app in APPS
        for path in sorted((root / app).rglob("*.py"))
        if not {"tests", "migrations"} & set(path.relative_to(root).parts)
    }


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def calls(tree):
    """Yield (name, node) of every call: `f` of `f(…)`, `g` of `a.g(…)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "attr", getattr(node.func, "id", "")), node
