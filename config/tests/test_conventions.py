"""The project conventions, as tests."""

import ast
import re
import subprocess

import pytest
from django.conf import settings
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from rest_framework.viewsets import ViewSetMixin

from accounts.models import User
from config.tests import inventory, matrix, rows
from core.api.row_access import model_of
from core.api.views import ApiView
from core.api.viewsets import BaseViewSet
from core.web.errors import CATALOGUE, ApiError

ROOT = settings.BASE_DIR
SOURCES = inventory.sources()
TREES = {path: ast.parse(text) for path, text in SOURCES.items()}


def viewsets():
    return {path: view for path, view in inventory.api_views().items() if issubclass(view, ViewSetMixin)}


def models_behind():
    return {model_of(view) for view in viewsets().values()}


# --- routes ---------------------------------------------------------------------------------------


def test_there_is_something_to_walk_through():
    assert {"/api/v1/users", "/api/v1/users/{id}", "/health/ready", "/"} <= set(inventory.routes())
    assert len(viewsets()) >= 5
    assert len(models_behind()) >= 3
    assert len(SOURCES) > 40


def test_every_api_view_is_limited_and_strict():
    missing = [path for path, view in inventory.api_views().items() if not issubclass(view, ApiView)]

    assert not missing, f"Let the views of {missing} inherit core.api.views.ApiView in place of APIView."


def test_every_viewset_inherits_the_base_viewset():
    missing = [path for path, view in viewsets().items() if not issubclass(view, BaseViewSet)]

    assert not missing, f"Let the viewsets of {missing} inherit core.api.viewsets.BaseViewSet."


def test_every_model_of_a_viewset_declares_its_access():
    missing = [model for model in models_behind() if not hasattr(model.objects.all(), "visible_to")]

    assert not missing, (
        f"Let {missing} inherit core.db.base.BaseModel, and declare `access = Access(owner=…)`."
    )


def test_every_model_behind_one_has_a_factory_that_makes_a_row_of_a_user():
    missing = {problem for model in models_behind() if (problem := rows.problem_of(model))}

    assert not missing, "\n".join(sorted(missing))


HIDDEN = (
    "{label}: {factory}.make_for(user) in {app}/tests/factories.py makes a row that the user may not read."
)


def test_a_row_of_a_user_is_one_that_the_user_reads(owner):
    made = [rows.row_of(model, owner.user) for model in models_behind()]
    hidden = [
        HIDDEN.format(label=row._meta.label, factory=f"{type(row).__name__}Factory", app=row._meta.app_label)
        for row in made
        if not type(row)._default_manager.all().visible_to(owner.user).filter(pk=row.pk).exists()
    ]

    assert not hidden, "\n".join(hidden)


def test_every_model_of_a_viewset_has_a_str():
    missing = [model._meta.label for model in models_behind() if model.__str__ is models.Model.__str__]

    assert not missing, f"Give {missing} a `__str__`: the admin and the audit log show it."


def test_every_viewset_has_a_docstring():
    missing = [view.__name__ for view in viewsets().values() if not view.__dict__.get("__doc__")]

    assert not missing, f"Give {missing} a docstring: it describes their tag in the OpenAPI document."


# --- lists ----------------------------------------------------------------------------------------


def make_rows(viewset, action, user, number, below):
    """Make so many rows of the user's, or with these foreign keys."""
    model = viewset.queryset.model
    for _ in range(number):
        if below:
            row = rows.factory_of(model)(**below)
        else:
            row = rows.factory_of(model)() if model is User else rows.row_of(model, user)
        if action == "trash":
            row.soft_delete()


def nested(route, viewset, user):
    """Return the path of a list below objects of the user, and {foreign key: object}."""
    names = inventory.variables()[route]
    if not names:
        return route, {}
    row = rows.row_of(viewset.queryset.model, user)
    fields = [matrix.above(route, viewset, name) for name in names]
    for key in matrix.values_of(route, viewset, row):
        route = route.replace("{id}", str(key), 1)
    return route, {field: getattr(row, field) for field in fields}


def cost(caller, path):
    """Return (queries, rows) of one page."""
    with CaptureQueriesContext(connection) as queries:
        listed = caller.get(f"{path}?limit=100").json()["data"]
    return len(queries), len(listed)


UNLISTED = (
    "{path} lists {shown} of 10 new rows of their owner. Let the factory of {model} make rows that it lists."
)
GROWS = "{path} needs {few} queries for few rows and {many} for many. Add prefetch_related to `queryset` of {view}."


@pytest.mark.django_db
def test_the_queries_of_a_list_do_not_grow_with_its_rows(admin):
    lists = inventory.lists()
    assert {"/api/v1/jobs", "/api/v1/users"} <= set(lists)
    for route, (viewset, action) in lists.items():
        path, below = nested(route, viewset, admin.user)
        make_rows(viewset, action, admin.user, 2, below)
        few, before = cost(admin, path)
        make_rows(viewset, action, admin.user, 10, below)
        many, after = cost(admin, path)
        model = viewset.queryset.model.__name__
        assert after == before + 10, UNLISTED.format(path=path, shown=after - before, model=model)
        assert many == few, GROWS.format(path=path, few=few, many=many, view=viewset.__name__)


# --- errors ---------------------------------------------------------------------------------------


def subclasses(parent):
    return {parent}.union(*(subclasses(child) for child in parent.__subclasses__()))


def test_every_error_of_ours_has_a_code_of_the_catalogue():
    assert {error.code for error in subclasses(ApiError)} <= set(CATALOGUE)


def test_every_code_that_is_written_down_is_in_the_catalogue():
    raised = {
        argument.value
        for tree in TREES.values()
        for name, call in inventory.calls(tree)
        if name == "ApiError"
        for argument in call.args[:1]
        if isinstance(argument, ast.Constant)
    }
    documented = {
        code
        for view in inventory.api_views().values()
        for codes in getattr(view, "documented_errors", {}).values()
        for code in codes
    }

    assert raised
    assert raised | documented <= set(CATALOGUE)


# --- the source -----------------------------------------------------------------------------------


def test_no_file_is_longer_than_300_lines():
    assert {path: lines for path, text in SOURCES.items() if (lines := len(text.splitlines())) > 300} == {}


def test_no_function_is_longer_than_60_lines():
    long = [
        f"{path}: {function.name}"
        for path, tree in TREES.items()
        for function in inventory.functions(tree)
        if function.end_lineno - function.lineno >= 60
    ]

    assert long == []


def test_only_the_dispatcher_publishes_to_a_queue():
    publishing = {"delay", "apply_async", "send_task", "delay_on_commit", "apply_async_on_commit"}
    publishers = {
        path for path, tree in TREES.items() for name, _call in inventory.calls(tree) if name in publishing
    }

    assert publishers == {"core/outbox/dispatcher.py"}


def imported():
    """Yield (path, module) of every import: `urllib.request` of `from urllib import request` too."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield path, node.module
                yield from ((path, f"{node.module}.{alias.name}") for alias in node.names)


OUTGOING = {f"core/web/http_client/{name}.py" for name in ("addresses", "client", "exchange")}


def test_only_listed_modules_connect_to_other_servers():
    """URLs are requested by the client of core/web/http_client only, which checks their addresses (SSRF)."""
    clients = {"requests", "httpx", "aiohttp", "urllib3", "urllib.request", "http.client", "boto3"}

    assert {
        path for path, name in imported() if any(f"{name}.".startswith(f"{one}.") for one in clients)
    } == {"core/files/storages/bucket.py", "core/backups/bucket.py", *OUTGOING}


def test_no_module_reads_a_format_that_runs_or_includes_anything():
    formats = {"pickle", "marshal", "shelve", "dill", "yaml", "xml", "lxml", "plistlib"}

    assert [(path, name) for path, name in imported() if name.split(".")[0] in formats] == []
    assert [
        path for path, tree in TREES.items() for name, _ in inventory.calls(tree) if name in {"eval", "exec"}
    ] == []


def test_no_function_imports_anything():
    hidden = [
        f"{path}: {function.name}"
        for path, tree in TREES.items()
        for function in inventory.functions(tree)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert hidden == []


# An app of a product may need what this rule refuses to the apps that every product has.
OWN = ("core/", "accounts/", "config/")


def test_only_listed_modules_start_a_program():
    starting = {path for path, name in imported() if name == "subprocess" and path.startswith(OWN)}

    backups = {f"core/backups/{name}.py" for name in ("postgresql", "programs", "services")}
    others = {"core/scaffold/programs.py", "core/releases/programs.py"}
    assert starting == {"core/files/images.py", *others, *backups}


def test_no_text_becomes_code_or_a_template():
    making = {"eval", "exec", "system", "popen", "Template", "from_string", "mark_safe", "__import__"}
    found = [
        (path, name)
        for path, tree in TREES.items()
        for name, _call in inventory.calls(tree)
        if name in making and path.startswith(OWN)
    ]

    assert found == []


def test_no_model_sends_signals():
    signal = re.compile(r"\b(pre|post)_(save|delete)\b|m2m_changed|dispatch import receiver")

    assert [path for path, text in SOURCES.items() if signal.search(text)] == []


def test_no_file_has_a_generic_name():
    empty = {"utils", "helpers", "common", "misc", "constants", "selectors", "signals"}

    assert [path for path in SOURCES if empty & set(path.removesuffix(".py").split("/"))] == []


def test_the_line_of_the_guide_adds_an_app():
    guide = (ROOT / "docs" / "adopting.md").read_text()
    expression = re.search(r"^sed -i '(.+)' config/local_apps\.py$", guide, re.M)[1]
    path = ROOT / "config" / "local_apps.py"
    done = subprocess.run(["sed", expression, path], capture_output=True, text=True, check=True)

    assert '"notes",' in done.stdout
    ast.parse(done.stdout)
