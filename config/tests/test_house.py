"""The rules of the house, so that nobody has to remember them."""

import ast
import re

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from rest_framework.viewsets import ViewSetMixin

from config.tests import house
from core.api.views import ApiView
from core.api.viewsets import BaseViewSet
from core.web.errors import CATALOGUE, ApiError

SOURCES = house.sources()
TREES = {path: ast.parse(text) for path, text in SOURCES.items()}


def viewsets():
    return {path: view for path, view in house.api_views().items() if issubclass(view, ViewSetMixin)}


def models_behind():
    return {view.queryset.model for view in viewsets().values()}


# --- what stands behind a route -------------------------------------------------------------------


def test_there_is_something_to_walk_through():
    assert {"/api/v1/resources", "/api/v1/resources/{id}/restore", "/health/ready", "/"} <= set(
        house.routes()
    )
    assert len(viewsets()) >= 10
    assert len(models_behind()) >= 4
    assert len(SOURCES) > 40


def test_every_api_view_is_limited_and_strict():
    assert [path for path, view in house.api_views().items() if not issubclass(view, ApiView)] == []


def test_every_viewset_is_of_the_house():
    assert [path for path, view in viewsets().items() if not issubclass(view, BaseViewSet)] == []


def test_every_model_behind_one_knows_who_may_see_it():
    assert [model for model in models_behind() if not hasattr(model.objects.all(), "visible_to")] == []


def test_every_model_behind_one_has_a_factory():
    assert models_behind() - set(house.factories()) == set()


def test_every_model_behind_one_says_what_it_is():
    assert [model for model in models_behind() if model.__str__ is models.Model.__str__] == []


# --- lists ----------------------------------------------------------------------------------------


def grow(viewset, action, user, number, below):
    model = viewset.queryset.model
    values = {"user": user} if any(field.name == "user" for field in model._meta.fields) else {}
    if below is not None:
        values = {model.parent: below}
    for _ in range(number):
        row = house.factories()[model](**values)
        if action == "trash":
            row.soft_delete()


def cost(caller, path):
    """(queries, rows) of one page."""
    with CaptureQueriesContext(connection) as queries:
        rows = caller.get(f"{path}?limit=100").json()["data"]
    return len(queries), len(rows)


@pytest.mark.django_db
def test_no_list_asks_the_database_more_often_for_more_rows(admin):
    lists = house.lists()
    assert {"/api/v1/resources", "/api/v1/resources/trash", "/api/v1/tags", "/api/v1/users"} <= set(lists)
    for route, (viewset, action) in lists.items():
        below = (
            house.factories()[viewset.parents.queryset.model](user=admin.user) if "{id}" in route else None
        )
        path = route.replace("{id}", str(below and below.pk))
        grow(viewset, action, admin.user, 2, below)
        few, before = cost(admin, path)
        grow(viewset, action, admin.user, 10, below)
        many, after = cost(admin, path)
        assert (path, after) == (path, before + 10)
        assert (path, many) == (path, few)
        assert few <= 4


# --- errors ---------------------------------------------------------------------------------------


def subclasses(parent):
    return {parent}.union(*(subclasses(child) for child in parent.__subclasses__()))


def test_every_error_of_ours_has_a_code_of_the_catalogue():
    assert {error.code for error in subclasses(ApiError)} <= set(CATALOGUE)


def test_every_code_that_is_written_down_is_in_the_catalogue():
    raised = {
        argument.value
        for tree in TREES.values()
        for name, call in house.calls(tree)
        if name == "ApiError"
        for argument in call.args[:1]
        if isinstance(argument, ast.Constant)
    }
    documented = {
        code
        for view in house.api_views().values()
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
        for function in house.functions(tree)
        if function.end_lineno - function.lineno >= 60
    ]

    assert long == []


def test_nothing_is_promised_to_a_queue_but_by_the_dispatcher():
    publishing = {"delay", "apply_async", "send_task", "delay_on_commit", "apply_async_on_commit"}
    publishers = {
        path for path, tree in TREES.items() for name, _call in house.calls(tree) if name in publishing
    }

    assert publishers == {"core/outbox/dispatcher.py"}


def test_no_function_imports_anything():
    hidden = [
        f"{path}: {function.name}"
        for path, tree in TREES.items()
        for function in house.functions(tree)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert hidden == []


def test_no_model_sends_signals():
    signal = re.compile(r"\b(pre|post)_(save|delete)\b|m2m_changed|dispatch import receiver")

    assert [path for path, text in SOURCES.items() if signal.search(text)] == []


def test_no_file_has_a_name_that_says_nothing():
    empty = {"utils", "helpers", "common", "misc", "constants", "selectors", "signals"}

    assert [path for path in SOURCES if empty & set(path.removesuffix(".py").split("/"))] == []
