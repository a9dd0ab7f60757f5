"""Bulk operations and rows of an import have the permissions, serializers and hooks of the action that they are."""

import json

import pytest
from django.shortcuts import get_object_or_404
from rest_framework import permissions, serializers

from config.tests.jobs_of_samples import SAMPLE, imported, imported_file, tables
from config.tests.reading import serializer
from config.tests.sample_models import Club, Customer, Invoice, Seat
from config.tests.test_odd_viewsets import INVOICE
from core.api.serializers import ModelSerializer
from core.files import services as files
from core.jobs import services as jobs
from core.jobs.models import Job

pytestmark = pytest.mark.usefixtures("sample_tables", "disk")


class ChangesOnly(permissions.BasePermission):
    def has_permission(self, request, view):
        return request.method != "DELETE" and view.action != "create"


def operation(method, row=None, **data):
    return {"method": method, **({"id": str(row.pk)} if row else {}), **({"data": data} if data else {})}


@pytest.mark.parametrize(("method", "status"), [("create", 403), ("update", 200), ("delete", 403)])
def test_a_bulk_operation_needs_the_permission_of_its_route(ann_client, serve, invoices, method, status):
    serve(tables(permission_classes=[ChangesOnly]))
    row = None if method == "create" else invoices[0]
    body = {"operations": [operation(method, row, **({} if method == "delete" else {"number": "7"}))]}

    assert ann_client.post(f"{SAMPLE}/bulk", body, format="json").status_code == status


def test_a_row_of_an_import_needs_the_permission_of_its_route(ann_client, serve, invoices):
    serve(tables(permission_classes=[ChangesOnly]))
    job = imported(ann_client, SAMPLE, {"id": str(invoices[0].pk), "number": "7"}, {"number": "8"})

    assert job.result["updated"] == 1
    assert [(one["row"], one["code"]) for one in job.result["errors"]] == [(2, "forbidden")]


def test_the_serializer_of_the_action_writes_and_shows(ann_client, serve, invoices):
    number_and_paid = serializer(Invoice, "number", "isPaid")
    serve(
        tables(
            get_serializer_class=lambda self: number_and_paid if self.action == "partial_update" else INVOICE
        )
    )
    changes = {"operations": [operation("update", invoices[0], isPaid=True)]}
    result = ann_client.post(f"{SAMPLE}/bulk", changes, format="json")

    assert json.loads(result.content)["data"][0]["isPaid"] is True
    assert imported(ann_client, SAMPLE, {"id": str(invoices[1].pk), "isPaid": True}).result["updated"] == 1
    assert Invoice.objects.filter(is_paid=True).count() == 2


def test_a_cell_of_csv_is_the_number_or_the_boolean_that_it_names(ann_client, serve, ann):
    class CountedSerializer(ModelSerializer):
        count = serializers.IntegerField(write_only=True, required=False)

        class Meta:
            model = Invoice
            fields = ("id", "amount", "isPaid", "customer", "count")
            read_only_fields = ("id",)

        def create(self, validated_data):
            return super().create({"number": str(validated_data.pop("count")), **validated_data})

    customer = Customer.objects.create(user=ann, name="A")
    serve(tables(serializer_class=CountedSerializer))
    lines = [
        "amount,isPaid,count,customer",
        f"1.50,true,12,{customer.pk}",
        f"2,No,-3,{customer.pk}",
        f"3,maybe,x,{customer.pk}",
    ]
    job = imported_file(ann_client, SAMPLE, "\n".join(lines).encode(), "rows.csv")

    assert {(one["row"], one["field"]) for one in job.result["errors"]} == {(3, "isPaid"), (3, "count")}
    stored = Invoice.objects.filter(customer=customer).order_by("amount").values_list("number", "is_paid")
    assert list(stored) == [("12", True), ("-3", False)]


def test_a_method_without_a_route_is_no_operation(ann_client, serve, invoices):
    serve(tables(http_method_names=["get", "post", "patch"]))
    body = {"operations": [operation("delete", invoices[0])]}
    response = ann_client.post(f"{SAMPLE}/bulk", body, format="json")

    assert json.loads(response.content)["error"]["details"][0]["code"] == "invalid_choice"


def test_a_get_object_and_a_record_of_the_author_are_called(ann_client, serve, invoices):
    recorded = []

    def get_object(self):
        return get_object_or_404(Invoice.objects.exclude(number="1"), pk=self.kwargs["pk"])

    serve(tables(get_object=get_object, record=lambda self, *event: recorded.append((self.action, event[0]))))
    for row, status in ((invoices[0], 200), (invoices[1], 404)):
        body = {"operations": [operation("update", row, number="7")]}
        assert ann_client.post(f"{SAMPLE}/bulk", body, format="json").status_code == status

    assert recorded == [("partial_update", "updated")]


class Shouted(serializer(Club, "name")):  # type: ignore[misc]
    def to_representation(self, instance):
        return {**super().to_representation(instance), "name": instance.name.upper()}


def test_hooks_and_members_decide_in_bulk_import_and_export(ann_client, serve, ann):
    mine, other = Club.objects.create(name="mine"), Club.objects.create(name="other")
    Seat.objects.create(club=mine, user=ann)
    updated = []

    def perform_update(self, changed):
        updated.append(changed.save().name)

    serve(tables(queryset=Club.objects.all(), serializer_class=Shouted, perform_update=perform_update))
    body = {"operations": [operation("update", mine, name="bulk")]}
    result = ann_client.post(f"{SAMPLE}/bulk", body, format="json")
    foreign = ann_client.post(
        f"{SAMPLE}/bulk", {"operations": [operation("update", other, name="taken")]}, format="json"
    )
    job = imported(ann_client, SAMPLE, *({"id": str(club.pk), "name": "file"} for club in (mine, other)))
    ann_client.post(f"{SAMPLE}/export", {"format": "json"}, format="json")
    jobs.run_due()
    with files.open_file(Job.objects.latest("created_at").result_file) as stream:
        rows = json.load(stream)

    assert json.loads(result.content)["data"][0]["name"] == "BULK"
    assert (foreign.status_code, job.result["errors"][0]["code"]) == (404, "conflict")
    assert (updated, [row["name"] for row in rows]) == (["bulk", "file"], ["FILE"])
