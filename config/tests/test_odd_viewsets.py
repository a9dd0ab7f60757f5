"""Documented uses of Django and REST framework in a viewset: any queryset, hook, serializer or permission."""

import json

import pytest
from django.db.models import Count, Q
from rest_framework import permissions, serializers

from accounts.tests.factories import UserFactory
from config.tests.reading import serializer
from config.tests.sample_models import Customer, Invoice, Note, NoteQuerySet, Product, Project
from core.api.mixins.bulk import BulkViewSet
from core.api.mixins.history import HistoryViewSet
from core.api.mixins.trash import TrashViewSet
from core.audit.models import AuditEvent

pytestmark = pytest.mark.usefixtures("sample_tables")


def full(of, serializer_class, **members):
    given = {"queryset": of.objects.all(), "serializer_class": serializer_class, **members}
    bases = (BulkViewSet, HistoryViewSet, TrashViewSet)
    return type("ViewSet", bases, {name: value for name, value in given.items() if value is not None})


def body(response, status=200):
    assert response.status_code == status, response.content
    return json.loads(response.content)["data"]


def problems(response):
    return [(item["field"], item["code"]) for item in json.loads(response.content)["error"]["details"]]


def update(key, **data):
    return {"method": "update", "id": str(key), "data": data}


@pytest.fixture
def ben():
    return UserFactory(name="Ben")


@pytest.fixture
def customer(ann):
    return Customer.objects.create(name="C", user=ann)


@pytest.fixture
def invoice(customer):
    return Invoice.objects.create(number="1", customer=customer)


@pytest.fixture
def project(ann):
    return Project.objects.create(name="One", user=ann)


INVOICE = serializer(Invoice, "number")
PROJECT = serializer(Project, "name", "createdAt")
MINE = {"name": "New"}


# --- querysets ------------------------------------------------------------------------------------

QUERYSETS = {
    "an aggregate": lambda rows: rows.annotate(invoices=Count("customer__id")),
    "distinct": lambda rows: rows.distinct(),
    "or": lambda rows: rows.filter(number="1") | rows.filter(is_paid=True),
    "union": lambda rows: rows.filter(number="1").union(rows.filter(is_paid=True)),
}


@pytest.mark.parametrize(
    ("kind", "by"),
    [*((kind, "get_queryset") for kind in QUERYSETS), ("an aggregate", "queryset"), ("distinct", "queryset")],
)
def test_rows_of_any_query_are_read_and_written(call, ann, invoice, kind, by):
    rows = QUERYSETS[kind]
    given = {"queryset": rows(Invoice.objects.all())}
    if by == "get_queryset":
        given = {"queryset": None, "get_queryset": lambda self: rows(Invoice.objects.all())}
    view = full(Invoice, INVOICE, **given)

    assert len(body(call(view, "list", ann))) == 1
    assert body(call(view, "partial_update", ann, data={"number": "1"}, pk=invoice.pk))["number"] == "1"
    operations = {"operations": [update(invoice.pk, number="1")]}
    assert body(call(view, "bulk", ann, data=operations))[0]["number"] == "1"
    assert call(view, "destroy", ann, pk=invoice.pk).status_code == 204
    assert [row["number"] for row in body(call(view, "trash", ann))] == ["1"]
    assert body(call(view, "restore", ann, pk=invoice.pk))["number"] == "1"
    assert len(body(call(view, "history", ann, method="get", pk=invoice.pk))) == 2


@pytest.mark.parametrize("kind", ["distinct", "aggregate"])
def test_a_visible_to_by_hand_may_be_any_query(monkeypatch, call, ann, kind):
    rules = {
        "distinct": lambda rows, user: rows.filter(Q(user=user) | Q(text="red")).distinct(),
        "aggregate": lambda rows, user: rows.filter(user=user).annotate(number=Count("text")),
    }
    monkeypatch.setattr(NoteQuerySet, "rule", staticmethod(rules[kind]))
    note = Note.objects.create(text="red", user=ann)
    view = full(Note, serializer(Note, "text"))

    assert body(call(view, "partial_update", ann, data={"text": "blue"}, pk=note.pk))["text"] == "blue"


def test_a_get_queryset_decides_of_every_route(call, ann, invoice):
    view = full(Invoice, INVOICE, queryset=None, get_queryset=lambda self: Invoice.objects.filter(number="2"))
    invoice.soft_delete()

    assert body(call(view, "trash", ann)) == []
    assert call(view, "restore", ann, pk=invoice.pk).status_code == 404
    assert call(view, "history", ann, method="get", pk=invoice.pk).status_code == 404


def test_a_get_queryset_widens_no_writes(call, ben, invoice):
    view = full(Invoice, INVOICE, get_queryset=lambda self: Invoice.objects.all())

    assert body(call(view, "retrieve", ben, pk=invoice.pk))["number"] == "1"
    assert call(view, "partial_update", ben, data={"number": "2"}, pk=invoice.pk).status_code == 403


def test_a_filter_backend_applies_to_single_objects(call, ann, invoice):
    view = full(Invoice, INVOICE, filter_queryset=lambda self, rows: rows.filter(number="2"))

    assert call(view, "retrieve", ann, pk=invoice.pk).status_code == 404
    assert call(view, "partial_update", ann, data={"number": "3"}, pk=invoice.pk).status_code == 404


# --- values ---------------------------------------------------------------------------------------

CHANGES = {
    "customers": lambda customer: [str(customer.pk)],
    "budget": lambda _customer: "12.50",
    "dueDate": lambda _customer: "2026-12-24",
    "effort": lambda _customer: "02:00:00",
    "startsAt": lambda _customer: "2026-12-24T10:00:00Z",
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_any_value_is_recorded(call, ann, project, customer, name):
    view = full(Project, serializer(Project, name))
    value = CHANGES[name](customer)
    shown = body(call(view, "partial_update", ann, data={name: value}, pk=project.pk))[name]
    event = AuditEvent.objects.get(event="project.updated")
    (change,) = body(call(view, "history", ann, method="get", pk=project.pk))

    assert shown == value
    assert event.changes[name][1] == change["changes"][name]["after"] == value


class Lines(serializers.Serializer):
    note = serializers.CharField()


def nested_update(self, instance, values):
    instance.name = values.pop("lines")["note"]
    instance.save_changes("name")
    return instance


FIELDS = {
    "write_only": ("word", serializers.CharField(write_only=True), {}, {"word": "x"}),
    "property": ("label", serializers.CharField(), {}, {"label": "Two words"}),
    "hidden": ("maker", serializers.HiddenField(default="x"), {}, {"name": "Two"}),
    "optional": ("extra", serializers.CharField(required=False), {}, {"extra": "x"}),
    "method": (
        "shout",
        serializers.SerializerMethodField(),
        {"get_shout": lambda self, row: "!"},
        {"name": "Two"},
    ),
    "nested": ("lines", Lines(write_only=True), {"update": nested_update}, {"lines": {"note": "Two"}}),
    "whole": (
        "all",
        serializers.ModelField(Project._meta.get_field("name"), source="name"),
        {},
        {"all": "Two"},
    ),
}


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("many", [False, True])
def test_a_serializer_field_of_any_kind_is_written(call, ann, project, kind, many):
    name, field, members, data = FIELDS[kind]
    view = full(Project, serializer(Project, "name", fields=[(name, field)], members=members))
    if many:
        response = call(view, "bulk", ann, data={"operations": [update(project.pk, **data)]})
    else:
        response = call(view, "partial_update", ann, data=data, pk=project.pk)
    body(response)
    project.refresh_from_db()

    assert (project.name, project.code) == {
        "write_only": ("One", ""),
        "property": ("Two", "words"),
        "optional": ("One", ""),
    }.get(kind, ("Two", ""))


def test_a_field_of_the_whole_row(call, ann, project):
    class Both(serializers.Serializer):
        name = serializers.CharField()
        code = serializers.CharField()

    view = full(Project, serializer(Project, fields=[("both", Both(source="*"))]))
    response = call(view, "partial_update", ann, data={"both": {"name": "A", "code": "B"}}, pk=project.pk)

    assert body(response)["both"] == {"name": "A", "code": "B"}


def test_a_serializer_of_rest_framework_itself(call, ann, ben, invoice):
    class Plain(serializers.ModelSerializer):
        class Meta:
            model = Invoice
            fields = "__all__"

    view = full(Invoice, Plain)
    theirs = Customer.objects.create(name="B", user=ben)
    response = call(view, "partial_update", ann, data={"customer": str(theirs.pk)}, pk=invoice.pk)

    assert body(call(view, "list", ann))[0]["number"] == "1"
    assert body(call(view, "retrieve", ann, query={"fields": "number"}, pk=invoice.pk)).keys() >= {"number"}
    assert problems(response) == [("customer", "does_not_exist")]


# --- anonymous callers ----------------------------------------------------------------------------


def test_an_open_view_serves_anonymous_callers(call, ann):
    listed = Product.objects.create(name="Listed", is_listed=True, seller=ann)
    view = full(Product, serializer(Product, "name"), permission_classes=[permissions.AllowAny])

    assert [row["name"] for row in body(call(view, "list"))] == ["Listed"]
    assert body(call(view, "retrieve", pk=listed.pk))["name"] == "Listed"
    assert call(view, "create", data=MINE).status_code == 401
    assert call(view, "partial_update", data=MINE, pk=listed.pk).status_code == 401
    assert call(view, "destroy", pk=listed.pk).status_code == 401
    assert call(view, "bulk", data={"operations": [{"method": "create", "data": MINE}]}).status_code == 401
    assert body(call(view, "history", method="get", pk=listed.pk)) == []


# --- bulk -----------------------------------------------------------------------------------------


def test_bulk_calls_the_hooks_of_the_view(call, ann, project):
    view = full(
        Project,
        PROJECT,
        perform_create=lambda self, new: new.save(user=self.request.user, code="made"),
        perform_update=lambda self, new: new.save(code="changed"),
        perform_destroy=lambda self, row: row.delete(),
    )
    other = Project.objects.create(name="Two", user=ann)
    operations = [{"method": "create", "data": MINE}, update(project.pk, name="A")]
    operations.append({"method": "delete", "id": str(other.pk)})
    results = body(call(view, "bulk", ann, data={"operations": operations}))

    assert [item["id"] for item in results[1:]] == [str(project.pk), str(other.pk)]
    assert sorted(Project.objects.values_list("name", "code")) == [("A", "changed"), ("New", "made")]
    assert AuditEvent.objects.get(event="project.deleted").target_id == other.pk


def test_bulk_names_every_wrong_row(call, ann, project):
    operations = [update(project.pk, name=""), {"method": "create", "data": {"name": "x" * 51}}]
    response = call(full(Project, PROJECT), "bulk", ann, data={"operations": operations})

    assert problems(response) == [("operations.0.name", "blank"), ("operations.1.name", "max_length")]


def test_the_fast_path_is_not_that_of_another_create(call, ann):
    made = []

    class Fast(PROJECT):
        def create_many(self, items):
            made.append("many")
            user = self.context["request"].user
            return [Project.objects.create(user=user, **item) for item in items]

    class Own(Fast):
        def create(self, values):
            made.append("one")
            return super().create(values)

    for kind in (Fast, Own):
        body(
            call(full(Project, kind), "bulk", ann, data={"operations": [{"method": "create", "data": MINE}]})
        )

    assert made == ["many", "one"]
