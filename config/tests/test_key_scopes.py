"""The scopes of API keys for viewsets of adopters: in several routes, by DRF's own routers, with `include`."""

import pytest
from django.urls import include, path
from rest_framework.routers import SimpleRouter

from accounts.api_keys.tests.conftest import key_of  # noqa: F401 - a fixture
from accounts.models import User
from accounts.tests.checks import data, refusal
from accounts.tests.factories import UserFactory
from config.tests.reading import serializer, viewset
from config.tests.sample_models import Customer, Invoice
from core.api.scopes import all_scopes
from core.importexport.exports import ExportViewSet
from core.jobs.models import Job

pytestmark = pytest.mark.usefixtures("sample_tables")

CUSTOMERS = viewset(Customer, serializer(Customer, "name"), key_scope="customers")
INCLUDES = {"customer": serializer(Customer, "name")}
LIST, LINES = "/api/v1/sample0", "/api/v1/lines"


def invoices(**members):
    return viewset(Invoice, serializer(Invoice, "number"), includes=INCLUDES, **members)


@pytest.fixture
def user(db):
    return UserFactory()


@pytest.fixture
def invoice(user):
    return Invoice.objects.create(number="1", customer=Customer.objects.create(name="Zoe", user=user))


def test_an_include_needs_the_scope_of_its_rows(serve, user, invoice, key_of):  # noqa: F811
    serve(invoices(), CUSTOMERS)
    one, both = key_of(user, "sample0:read"), key_of(user, "sample0:read", "customers:read")

    for url in (LIST, f"{LIST}/{invoice.pk}"):
        assert one.get(url).status_code == 200
        response = one.get(url, {"include": "customer"})
        assert refusal(response) == (403, "FORBIDDEN")
        assert [detail["code"] for detail in response.json()["error"]["details"]] == ["customers:read"]
        assert both.get(url, {"include": "customer"}).status_code == 200


def test_an_include_of_rows_without_a_viewset_needs_no_scope(serve, user, invoice, key_of):  # noqa: F811
    serve(invoices())

    (row,) = data(key_of(user, "sample0:read").get(LIST, {"include": "customer"}))

    assert row["customer"]["name"] == invoice.customer.name


def test_no_key_includes_users(serve, user, invoice, key_of):  # noqa: F811
    related = {"user": serializer(User, "email")}
    serve(viewset(Customer, serializer(Customer, "name"), includes=related))

    assert refusal(key_of(user, "sample0:read").get(LIST, {"include": "user"})) == (403, "FORBIDDEN")


def test_a_view_below_another_object_too_has_the_scope_of_its_own_list(serve, user, key_of):  # noqa: F811
    view = invoices()
    below = path("customers/<uuid:customer>/lines", view.as_view({"get": "list"}, suffix="List"))
    serve(view, extra=[below])

    assert key_of(user, "sample0:read").get(LIST).status_code == 200
    assert refusal(key_of(user, "customers:read").get(LIST)) == (403, "FORBIDDEN")


def test_a_route_may_refuse_keys(serve, user, key_of):  # noqa: F811
    view = invoices()
    serve(view, extra=[path("lines", view.as_view({"get": "list"}, key_scope=None))])
    program = key_of(user, "sample0:read")

    assert program.get(LIST).status_code == 200
    assert refusal(program.get(LINES)) == (403, "FORBIDDEN")


def test_routers_of_rest_framework_give_each_viewset_its_own_scopes(serve, user, key_of):  # noqa: F811
    router = SimpleRouter(trailing_slash=False)
    router.register("lines", invoices(), basename="lines")
    router.register("buyers", viewset(Customer, serializer(Customer, "name")), basename="buyers")
    serve(extra=[path("", include(router.urls))])

    assert {"lines:read", "buyers:write"} <= set(all_scopes())
    assert key_of(user, "lines:read").get(LINES).status_code == 200
    assert refusal(key_of(user, "buyers:read").get(LINES)) == (403, "FORBIDDEN")


def test_no_key_reads_jobs_of_a_kind_that_different_scopes_share(serve, user, key_of):  # noqa: F811
    serve(invoices(), CUSTOMERS)  # of one class name
    job = Job.objects.create(user=user, kind=".export", parameters={})
    program = key_of(user, "sample0:read", "customers:read")

    assert data(program.get("/api/v1/jobs")) == []
    assert refusal(program.get(f"/api/v1/jobs/{job.pk}")) == (403, "FORBIDDEN")


def test_an_export_only_reads_also_where_a_view_has_reads_of_its_own(serve, user, key_of):  # noqa: F811
    members = {"queryset": Invoice.objects.all(), "serializer_class": serializer(Invoice, "number")}
    serve(type("Lines", (ExportViewSet,), members | {"key_reads": frozenset({"report"})}))

    assert key_of(user, "sample0:read").post(f"{LIST}/export", {"format": "csv"}).status_code == 202
