"""`include=`: rows of other models in each object, those that the caller may read, in a constant number of queries."""

import json

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from drf_spectacular.generators import SchemaGenerator

from accounts.models import User
from accounts.tests.factories import UserFactory
from config.tests.reading import ORDER, serializer, viewset
from config.tests.sample_models import Board, Card, Customer, Invoice, Product, Project, Team
from core.api.mixins.trash import TrashViewSet
from core.importexport.exports import ExportViewSet
from core.openapi.checks import check_schema_names

pytestmark = pytest.mark.usefixtures("sample_tables")

CUSTOMER = serializer(Customer, "name", "createdAt")
CUSTOMERS = viewset(Customer, CUSTOMER)
INVOICES = viewset(
    Invoice,
    serializer(Invoice, "number", "customerId"),
    sort_fields={"number": "number"},
    default_sort="number",
    includes={"customer": CUSTOMER},
)
PROJECTS = viewset(
    Project,
    serializer(Project, "name"),
    includes={"user": serializer(User, "name")},
    watched_lists=frozenset({"list"}),
    **ORDER,
)


@pytest.fixture
def shown(call):
    """Return the data of a response, or {parameter: code} of a refusal."""

    def of(view, action, user, pk=None, **query):
        kwargs = {} if pk is None else {"pk": pk}
        body = json.loads(call(view, action, user, query=query, **kwargs).content)
        if "error" in body:
            return {detail["field"]: detail["code"] for detail in body["error"]["details"]}
        return body["data"]

    return of


def names(rows):
    return [row["customer"] and row["customer"]["name"] for row in rows]


def test_a_relation_is_put_into_each_object(shown, ann, invoices):
    plain, included = (shown(INVOICES, "list", ann, **query) for query in ({}, {"include": "customer"}))
    customer = shown(CUSTOMERS, "retrieve", ann, pk=invoices[0].customer_id)

    assert included[0] == {**plain[0], "customer": customer}
    assert shown(INVOICES, "retrieve", ann, pk=invoices[0].pk, include="customer") == included[0]
    assert names(included) == ["Zoe", "Bob"]
    assert "customer" not in plain[0]


def test_fields_do_not_leave_it_out(shown, ann, invoices):
    (first, _second) = shown(INVOICES, "list", ann, include="customer", fields="number")

    assert first.keys() == {"id", "number", "customer"}
    assert shown(INVOICES, "retrieve", ann, pk=first["id"], include="customer", fields="number") == first


def test_a_cursor_and_pages_have_it(call, shown, ann, invoices):
    first = json.loads(
        call(INVOICES, "list", ann, query={"include": "customer", "cursor": "", "limit": 1}).content
    )
    query = {"include": "customer", "cursor": first["meta"]["nextCursor"], "limit": 1}

    assert names(first["data"]) == ["Zoe"]
    assert names(shown(INVOICES, "list", ann, **query)) == ["Bob"]
    assert names(shown(INVOICES, "list", ann, include="customer", page=2, limit=1)) == ["Bob"]
    assert shown(INVOICES, "list", ann, include="customer", page=9) == []


def test_a_row_that_the_caller_may_not_read_is_null(shown, reader, invoices):
    assert names(shown(INVOICES, "list", reader, include="customer", scope="all")) == [None, None, "Max"]
    assert shown(INVOICES, "retrieve", reader, pk=invoices[0].pk, include="customer")["customer"] is None
    admin = UserFactory(role="admin")
    assert names(shown(INVOICES, "list", admin, include="customer", scope="all")) == ["Zoe", "Bob", "Max"]


def test_a_deleted_row_is_null(shown, invoices):
    invoices[0].customer.soft_delete()
    admin = UserFactory(role="admin")

    assert names(shown(INVOICES, "list", admin, include="customer", scope="all")) == [None, "Bob", "Max"]


def test_a_lists_queries_do_not_grow(call, ann, invoices):
    def queries(**query):
        with CaptureQueriesContext(connection) as captured:
            assert call(INVOICES, "list", ann, query=query).status_code == 200
        return len(captured)

    with_two = queries(include="customer", cursor="")
    for number in range(30):
        customer = Customer.objects.create(name=f"C{number}", user=ann)
        Invoice.objects.create(number=f"9{number}", customer=customer)

    assert queries(include="customer", cursor="", limit=100) == with_two == queries(cursor="") + 1


MODELS = [
    (Invoice, "customer", Customer, ("name",)),
    (Card, "board", Board, ("title",)),
    (Board, "team", Team, ("name",)),
    (Product, "seller", User, ("name", "email")),
]


@pytest.mark.parametrize(("model", "name", "of", "fields"), MODELS)
def test_nobody_is_shown_more_than_by_the_row_itself(shown, rows, callers, model, name, of, fields):
    """An included row is the one that the viewset of its model shows, and null where that viewset has a 404."""
    related = serializer(of, *fields)
    view = viewset(model, serializer(model), includes={name: related}, **ORDER)
    itself = viewset(of, related)
    hidden = 0
    for user in callers:
        for scope in ({}, {"scope": "all"}):
            listed = shown(view, "list", user, include=name, limit=100, **scope)
            for row in listed if isinstance(listed, list) else []:
                key = getattr(model.objects.get(pk=row["id"]), f"{name}_id")
                found = shown(itself, "retrieve", user, pk=key)
                assert row[name] == (found or None)
                assert shown(view, "retrieve", user, pk=row["id"], include=name) == row
                hidden += row[name] is None
    assert hidden


# --- versions -------------------------------------------------------------------------------------


def test_there_is_no_304_for_rows_that_no_version_covers(call, shown, ann, invoices):
    plain = call(INVOICES, "retrieve", ann, pk=invoices[0].pk)
    held = {"headers": {"HTTP_IF_NONE_MATCH": plain["ETag"]}}
    included = call(INVOICES, "retrieve", ann, pk=invoices[0].pk, query={"include": "customer"}, **held)

    assert included.status_code == 200
    assert included["ETag"] == plain["ETag"]  # for If-Match
    assert call(INVOICES, "retrieve", ann, pk=invoices[0].pk, **held).status_code == 304
    any_version = {"headers": {"HTTP_IF_NONE_MATCH": "*"}}
    again = call(INVOICES, "retrieve", ann, pk=invoices[0].pk, query={"include": "customer"}, **any_version)
    assert again.status_code == 200


def test_a_watched_list_is_neither_cached_nor_unchanged(call, ann, settings):
    memory = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "includes"}
    settings.CACHES, settings.RESPONSE_CACHE_SECONDS = {**settings.CACHES, "responses": memory}, 60
    Project.objects.create(name="One", user=ann)
    etag = call(PROJECTS, "list", ann)["ETag"]
    for name in ("Ann", "Anne", "Anna"):
        User.objects.filter(pk=ann.pk).update(name=name)
        for held in ("*", etag):
            query, headers = {"include": "user"}, {"HTTP_IF_NONE_MATCH": held}
            response = call(PROJECTS, "list", ann, query=query, headers=headers)
            assert (response.status_code, "ETag" in response) == (200, False)
            assert [row["user"]["name"] for row in json.loads(response.content)["data"]] == [name]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["list", "retrieve"])
@pytest.mark.parametrize("given", ["", "Customer", "user", "customer,", "customer__user", ["customer", "x"]])
def test_an_unknown_name_is_refused(shown, ann, invoices, action, given):
    pk = invoices[0].pk if action == "retrieve" else None

    assert shown(INVOICES, action, ann, pk=pk, include=given) == {"include": "invalid"}
    assert shown(CUSTOMERS, action, ann, pk=pk, include=given) == {"include": "unknown_parameter"}


def test_a_name_may_be_repeated_a_hundred_times(shown, ann, invoices):
    assert names(shown(INVOICES, "list", ann, include=["customer,customer", "customer"])) == ["Zoe", "Bob"]
    assert shown(INVOICES, "list", ann, include=",".join(["customer"] * 101)) == {"include": "max_length"}


def test_a_file_has_no_included_rows(call, ann):
    view = type("View", (INVOICES, ExportViewSet), {})
    error = json.loads(call(view, "export", ann, data={"format": "csv", "include": "customer"}).content)[
        "error"
    ]

    assert [(each["field"], each["code"]) for each in error["details"]] == [("include", "unknown_parameter")]


@pytest.mark.parametrize(
    ("model", "fields", "includes"),
    [
        (Project, ("name",), {"customers": CUSTOMER}),
        (Project, ("name",), {"name": CUSTOMER}),
        (Project, ("name",), {"nobody": CUSTOMER}),
        (Invoice, ("number",), {"customerId": CUSTOMER}),
        (Invoice, ("number",), {"customer_id": CUSTOMER}),
        (Invoice, ("number", "customer"), {"customer": CUSTOMER}),
    ],
)
def test_an_include_that_cannot_be_is_refused_at_start(model, fields, includes):
    with pytest.raises(ImproperlyConfigured, match="includes has"):
        viewset(model, serializer(model, *fields), includes=includes)


# --- the OpenAPI document -------------------------------------------------------------------------


class BillViewSet(TrashViewSet):
    """Bills."""

    queryset = Invoice.objects.all()
    serializer_class = type("BillSerializer", (serializer(Invoice, "number"),), {})
    includes = {"customer": type("BuyerSerializer", (CUSTOMER,), {})}


class BareViewSet(TrashViewSet):
    """The same, with nothing to include."""

    queryset = Invoice.objects.all()
    serializer_class = BillViewSet.serializer_class
    exposed = frozenset({"list", "retrieve"})


def test_it_is_described(serve):
    serve(BillViewSet, BareViewSet)
    document = SchemaGenerator().get_schema(request=None, public=True)
    schemas = document["components"]["schemas"]
    both = {"anyOf": [{"$ref": "#/components/schemas/Buyer"}, {"type": "null"}]}

    for component in ("BillInListWithCustomer", "BillPartWithCustomer"):
        assert schemas[component]["properties"]["customer"] == both
        assert schemas[component]["required"] == ["id"]
    for component in ("Bill", "BillInList", "BillPart"):
        assert "customer" not in schemas[component]["properties"]
    for number, path in ((0, ""), (0, "/trash"), (0, "/{id}"), (1, ""), (1, "/{id}")):
        parameters = document["paths"][f"/api/v1/sample{number}{path}"]["get"]["parameters"]
        found = [item["schema"]["items"]["enum"] for item in parameters if item.get("name") == "include"]
        assert found == ([["customer"]] if number == 0 else [])
    assert "include" not in str(document["paths"]["/api/v1/sample0"]["post"])
    assert check_schema_names() == []
