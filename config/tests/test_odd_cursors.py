"""`cursor=` walks a list in every sort that a viewset may declare: NULLs, values of other rows, annotations."""

import json
from itertools import chain

import pytest
from django.db.models import Count, F
from django.db.models.functions import Lower

from accounts.tests.factories import UserFactory
from config.tests.reading import serializer
from config.tests.sample_models import Customer, Invoice
from core.api.viewsets import BaseViewSet


class Invoices(BaseViewSet):
    queryset = Invoice.objects.annotate(many=Count("customer__user"))
    serializer_class = serializer(Invoice, "number")
    default_sort = "number"
    sort_fields = {
        "number": "number",
        "dueDate": "due_date",
        "customer": "customer__name",
        "payer": "customer",
        "many": "many",
        "paid": "is_paid",
    }


@pytest.fixture
def staff(sample_tables):
    """Create a staff member who reads the names of their own customers only."""
    return UserFactory(role="staff")


@pytest.fixture(autouse=True)
def invoices(staff):
    customers = [
        Customer.objects.create(name=name, user=user)
        for name, user in (("B", staff), ("A", UserFactory()), ("C", staff))
    ]
    for number in range(9):
        Invoice.objects.create(
            number=str(number),
            customer=customers[number % 3],
            due_date=None if number % 2 else f"2026-01-0{1 + number % 4}",
            is_paid=number % 2,
        )


def numbers(response):
    assert response.status_code == 200, response.content
    shown = json.loads(response.content)
    return [row["number"] for row in shown["data"]], shown["meta"]


@pytest.fixture
def page(call, staff):
    def of(view=Invoices, **query):
        return call(view, "list", staff, query={"scope": "all", **query})

    return of


SORTS = [
    *("dueDate", "-dueDate", "customer", "-customer", "payer", "-payer", "many", "-many,dueDate"),
    *("paid,-dueDate", "-dueDate,-customer", "customer,-number", "-paid,customer,dueDate"),
]


@pytest.mark.parametrize("sort", SORTS)
def test_a_walk_sees_what_numbered_pages_see_there_and_back(page, sort):
    listed, _meta = numbers(page(sort=sort))
    there, cursor = [], ""
    while cursor is not None:
        rows, meta = numbers(page(sort=sort, cursor=cursor, limit=2))
        there.append(rows)
        cursor = meta["nextCursor"]
    back = []
    while meta["prevCursor"] is not None:
        rows, meta = numbers(page(sort=sort, cursor=meta["prevCursor"], limit=2))
        back.append(rows)

    assert list(chain.from_iterable(there)) == listed
    assert len(listed) == 9
    assert back[::-1] == there[:-1]


@pytest.mark.parametrize(("sort", "last"), [("dueDate", True), ("-dueDate", False)])
def test_null_is_the_largest_value_on_every_database(page, sort, last):
    listed, _meta = numbers(page(sort=sort))
    nulls = listed[-4:] if last else listed[:4]

    assert sorted(nulls) == ["1", "3", "5", "7"]


ORDERS = {
    "none": ((), 200),
    "an expression of a column": ((F("due_date").desc(),), 200),
    "a column that is not unique": (("is_paid",), 200),
    "a computed value": ((Lower("number"),), 400),
    "another row": (("customer__name",), 400),
    "chance": (("?",), 400),
}


@pytest.mark.parametrize("kind", ORDERS)
def test_a_queryset_may_have_an_order_of_its_own(page, kind):
    order, status = ORDERS[kind]
    own = {"sort_fields": {}, "get_queryset": lambda self: Invoice.objects.order_by(*order)}
    view = type("View", (Invoices,), own)
    response = page(view, cursor="", limit=4)

    assert response.status_code == status
    if status == 400:
        assert json.loads(response.content)["error"]["details"][0]["field"] == "cursor"
    else:
        first, meta = numbers(response)
        second, _meta = numbers(page(view, cursor=meta["nextCursor"], limit=9))
        assert sorted(first + second) == sorted(str(number) for number in range(9))
