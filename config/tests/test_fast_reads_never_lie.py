"""Compiled reads return what plain ones do: for every kind of access, serializer field and override, for many
callers.

On SQLite both are the plain one; the refusals are the same on both databases.
"""

import pytest

from config.tests.reading import ORDER, check, serializer, viewset
from config.tests.sample_models import (
    Board,
    Card,
    Customer,
    Invoice,
    Product,
    Team,
)
from core.api.read_eligibility import refusal_of
from core.db import statements as compiled
from core.db.statements import statement_cache

pytestmark = pytest.mark.usefixtures("sample_tables")

DECLARED = [
    (Team, ("name",)),
    (Board, ("title",)),
    (Card, ("title",)),
    (Customer, ("name", "userId", "createdAt", "updatedAt")),
    (Invoice, ("number", "isPaid")),
    (Product, ("name", "isListed")),
]


@pytest.mark.parametrize(("model", "names"), DECLARED)
def test_declared_access_is_compiled_and_tells_the_truth(monkeypatch, call, rows, callers, model, names):
    view = viewset(model, serializer(model, *names), **ORDER)

    assert refusal_of(view, view.serializer_class) is None
    assert check(monkeypatch, call, view, rows, callers) >= {200, 404}
    assert (len(statement_cache) > 0) is compiled.applies()
