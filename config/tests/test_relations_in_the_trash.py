"""A filter, a search and a sort by a related row that is in the trash treat it as one that the caller may not read."""

import pytest

from accounts.tests.factories import UserFactory
from config.tests.reading import serializer, viewset
from config.tests.sample_models import Customer, Invoice

pytestmark = pytest.mark.usefixtures("sample_tables")
VIEW = viewset(
    Invoice,
    serializer(Invoice, "number"),
    filterset_fields={"customer__name": ["exact", "startswith"]},
    search_fields=("customer__name",),
    sort_fields={"number": "number", "customerName": "customer__name"},
    default_sort="number",
)


def numbers(call, user, **query):
    return [row["number"] for row in call(VIEW, "list", user, query={"scope": "all", **query}).data]


@pytest.mark.parametrize(
    "query", [{"customer__name": "Ada"}, {"customer__name[startsWith]": "A"}, {"search": "ada"}]
)
def test_no_row_is_found_by_a_row_in_the_trash(call, query):
    admin, customer = UserFactory(role="admin"), Customer.objects.create(name="Ada", user=UserFactory())
    Invoice.objects.create(number="1", customer=customer)
    assert numbers(call, admin, **query) == ["1"]

    customer.soft_delete()

    assert numbers(call, admin, **query) == []
    assert numbers(call, admin) == ["1"]


def test_a_value_of_a_row_in_the_trash_is_sorted_as_null(call):
    admin, user = UserFactory(role="admin"), UserFactory()
    first, second = (Customer.objects.create(name=name, user=user) for name in ("Ada", "Bea"))
    Invoice.objects.create(number="1", customer=first)
    Invoice.objects.create(number="2", customer=second)
    assert numbers(call, admin, sort="customerName") == ["1", "2"]

    first.soft_delete()

    assert numbers(call, admin, sort="customerName") == ["2", "1"]
