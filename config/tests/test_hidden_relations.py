"""Filters, sorts and searches over relations reveal nothing of rows that the caller may not see."""

import json
from uuid import uuid4

import django_filters.rest_framework
import pytest
from django.core.exceptions import ImproperlyConfigured
from rest_framework.filters import OrderingFilter, SearchFilter

from accounts.tests.factories import UserFactory
from config.tests.reading import serializer
from config.tests.sample_models import Customer, Invoice, Project
from core.api.filtersets import FilterSet
from core.api.viewsets import BaseViewSet

pytestmark = pytest.mark.usefixtures("sample_tables")


def viewset(of, name, **members):
    given = {"queryset": of.objects.all(), "serializer_class": serializer(of, name), **members}
    return type("ViewSet", (BaseViewSet,), given)


INVOICES = viewset(
    Invoice,
    "number",
    sort_fields={"customer": "customer__name", "key": "customer", "payer": "customer__user__name"},
    default_sort="customer",
    filterset_fields=("customer__name",),
    search_fields=("customer__name",),
)


@pytest.fixture
def numbers(call):
    def shown(view, user, **query):
        response = call(view, "list", user, query=query)
        assert response.status_code == 200, response.content
        return [row["number"] for row in json.loads(response.content)["data"]]

    return shown


@pytest.mark.parametrize("sort", ["customer", "payer"])
def test_hidden_values_sort_as_null(numbers, invoices, reader, sort):
    """The first invoice was made first, and its id is the smaller one, though Zoe sorts after Bob."""
    assert numbers(INVOICES, reader, scope="all", sort=sort) == ["2", "0", "1"]
    assert numbers(INVOICES, reader, scope="all", sort=f"-{sort}") == ["1", "0", "2"]


def test_values_that_the_caller_may_see_sort(numbers, invoices, ann):
    assert numbers(INVOICES, ann) == ["1", "0"]
    assert numbers(INVOICES, ann, sort="-customer") == ["0", "1"]
    assert numbers(INVOICES, UserFactory(role="admin"), scope="all") == ["1", "2", "0"]


def test_a_relation_sorts_by_its_key_and_not_by_the_order_of_its_model(
    monkeypatch, numbers, invoices, reader
):
    monkeypatch.setattr(Customer._meta, "ordering", ["name"])

    assert numbers(INVOICES, reader, scope="all", sort="key") == ["0", "1", "2"]


@pytest.mark.parametrize("parameter", ["search", "customer__name"])
@pytest.mark.parametrize(("text", "rows"), [("Zoe", []), ("Max", ["2"])])
def test_hidden_values_are_not_found(numbers, invoices, reader, parameter, text, rows):
    assert numbers(INVOICES, reader, scope="all", **{parameter: text}) == rows


def test_hidden_values_of_many_rows_are_not_found(call, ann):
    project = Project.objects.create(name="One", user=ann)
    for name, user in (("Mine", ann), ("Theirs", UserFactory())):
        project.customers.add(Customer.objects.create(name=name, user=user))
    view = viewset(Project, "name", search_fields=("code", "customers__name"))

    for text, total in (("mine", 1), ("theirs", 0)):
        response = call(view, "list", ann, query={"search": text})
        assert json.loads(response.content)["meta"]["total"] == total


class ByOrder(FilterSet):
    order = django_filters.OrderingFilter(fields=[("customer__name", "customer")])

    class Meta:
        model = Invoice
        fields = ()


class ByPayer(FilterSet):
    payer = django_filters.CharFilter(field_name="customer", lookup_expr="name__startswith")


@pytest.mark.parametrize(("text", "rows"), [("Zoe", []), ("Max", ["2"])])
def test_a_lookup_that_goes_on_over_a_relation_is_narrowed(numbers, invoices, reader, text, rows):
    view = viewset(Invoice, "number", filterset_class=ByPayer)

    assert numbers(view, reader, scope="all", payer=text) == rows


def test_a_filter_for_null_of_a_relation_stays_as_it_is(numbers, invoices, reader):
    view = viewset(Invoice, "number", filterset_fields={"customer": ["isnull"]})

    assert len(numbers(view, reader, scope="all", **{"customer[isNull]": "false"})) == 3


BY_OPERATOR = viewset(
    Invoice,
    "number",
    filterset_fields={"customer": ["in"], "customer__name": ["contains", "in", "gte"]},
    sort_fields={"number": "number"},
    default_sort="number",
)


@pytest.mark.parametrize(
    ("operator", "text"), [("contains", "o"), ("in", "Zoe,Bob"), ("gte", "Zoe"), ("contains", "a")]
)
def test_hidden_values_are_not_found_by_an_operator(numbers, invoices, reader, operator, text):
    rows = ["2"] if text == "a" else []

    assert numbers(BY_OPERATOR, reader, scope="all", **{f"customer__name[{operator}]": text}) == rows


def test_hidden_rows_are_refused_in_a_list_of_keys(call, numbers, invoices, ann, reader):
    own, hidden = str(Customer.objects.get(name="Max").pk), str(Customer.objects.get(name="Zoe").pk)
    wanted = f"{own},{hidden}"

    assert numbers(BY_OPERATOR, reader, **{"customer[in]": f"{own},{own}"}) == ["2"]
    assert numbers(BY_OPERATOR, UserFactory(role="admin"), scope="all", **{"customer[in]": wanted}) == [
        "0",
        "2",
    ]
    for keys in (wanted, f"{own},{uuid4()}"):
        error = json.loads(call(BY_OPERATOR, "list", reader, query={"customer[in]": keys}).content)["error"]
        assert [(each["field"], each["code"]) for each in error["details"]] == [
            ("customer[in]", "invalid_choice")
        ]


@pytest.mark.parametrize("parameter", ["customer", "customer[in]"])
def test_hidden_rows_are_refused_behind_the_backend_of_django_filter_too(call, invoices, reader, parameter):
    view = viewset(
        Invoice,
        "number",
        filterset_fields={"customer": ["exact", "in"]},
        filter_backends=[django_filters.rest_framework.DjangoFilterBackend],
    )
    own, hidden, _other = (invoice.customer_id for invoice in reversed(invoices))
    statuses = [
        call(view, "list", reader, query={parameter: str(key)}).status_code for key in (own, hidden, uuid4())
    ]

    assert statuses == [200, 400, 400]


@pytest.mark.parametrize(
    ("keys", "code"), [("", "invalid"), ("x", "invalid"), (",".join(["x"] * 101), "max_length")]
)
def test_wrong_keys_are_refused(call, reader, keys, code):
    error = json.loads(call(BY_OPERATOR, "list", reader, query={"customer[in]": keys}).content)["error"]

    assert [(each["field"], each["code"]) for each in error["details"]] == [("customer[in]", code)]


def test_a_list_of_keys_is_looked_up_at_once(numbers, invoices, reader, django_assert_max_num_queries):
    own = str(Customer.objects.get(name="Max").pk)

    with django_assert_max_num_queries(3):
        numbers(BY_OPERATOR, reader, **{"customer[in]": ",".join([own] * 50)})


REFUSED = {
    "a filter of many rows": (Project, {"filterset_fields": ("customers__name",)}),
    "a sort by many rows": (Project, {"sort_fields": {"customer": "customers__name"}}),
    "an ordering filter": (Invoice, {"filterset_class": ByOrder}),
    "another search": (
        Invoice,
        {"filter_backends": [SearchFilter], "search_fields": ("number", "^customer__name")},
    ),
    "another ordering": (
        Invoice,
        {"filter_backends": [OrderingFilter], "ordering_fields": ("customer__name",)},
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_narrowed_is_refused_at_start(what):
    model, members = REFUSED[what]

    with pytest.raises(ImproperlyConfigured, match="__name"):
        viewset(model, "id", **members)


def test_a_hidden_row_and_none_are_refused_alike(call, ann):
    hidden = Customer.objects.create(name="C", user=UserFactory())
    view = viewset(Invoice, "number", serializer_class=serializer(Invoice, "number", "customer"))
    of_hidden, of_none = (
        json.loads(call(view, "create", ann, data={"number": "1", "customer": str(key)}).content)["error"]
        for key in (hidden.pk, uuid4())
    )

    assert [detail["field"] for detail in of_none["details"]] == ["customer"]
    assert of_hidden == of_none
