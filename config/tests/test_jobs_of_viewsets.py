"""A job of a viewset serves its caller by the route that was called, and as the author of the viewset has decided."""

import json

import pytest
from django.shortcuts import get_object_or_404
from django.urls import path
from rest_framework import permissions, serializers
from rest_framework.test import APIClient

from config.tests.reading import serializer
from config.tests.sample_models import Club, Customer, Invoice, Seat
from config.tests.test_odd_viewsets import INVOICE
from core.files import services as files
from core.importexport.exports import ExportViewSet
from core.importexport.views import ImportViewSet
from core.jobs import services as jobs
from core.jobs.models import Job
from core.tests.samples import upload

pytestmark = pytest.mark.usefixtures("sample_tables", "disk")
SAMPLE = "/api/v1/sample0"


@pytest.fixture
def client(ann):
    client = APIClient()
    client.force_authenticate(ann)
    return client


@pytest.fixture
def invoices(ann):
    customers = [Customer.objects.create(name=name, user=ann) for name in ("First", "Second")]
    return [Invoice.objects.create(number=str(n), customer=customers[n % 2]) for n in range(3)]


def tables(**members):
    given = {"queryset": Invoice.objects.all(), "serializer_class": INVOICE}
    return type("TableViewSet", (ImportViewSet, ExportViewSet), given | members)


def exported(client, url, **body):
    """Return the numbers in the file of an export."""
    assert client.post(f"{url}/export", {"format": "json", **body}, format="json").status_code == 202
    jobs.run_due()
    job = Job.objects.select_related("result_file").latest("created_at")
    assert job.status == "succeeded", job.error
    with files.open_file(job.result_file) as stream:
        return sorted(row["number"] for row in json.load(stream))


def imported(client, url, *rows):
    """Return the job of an import of these rows."""
    file = upload(json.dumps(rows).encode(), name="rows.json")
    assert client.post(f"{url}/import", file, format="multipart").status_code == 202
    jobs.run_due()
    job = Job.objects.latest("created_at")
    assert job.status == "succeeded", job.last_error
    return job


# --- the route ------------------------------------------------------------------------------------


def below_a_customer(view_class):
    class Below(view_class):
        def get_queryset(self):
            return Invoice.objects.filter(customer=self.kwargs["customer_id"])

    return [
        path("customers/<uuid:customer_id>/invoices/export", Below.as_view({"post": "export"})),
        path(
            "customers/<uuid:customer_id>/invoices/import",
            Below.as_view({"post": "import_rows"}, **Below.import_rows.kwargs),
        ),
    ]


def test_arguments_of_the_path_decide_in_the_job_too(client, serve, invoices):
    serve(extra=below_a_customer(tables()))
    url = f"/api/v1/customers/{invoices[0].customer_id}/invoices"

    assert exported(client, url) == ["0", "2"]
    job = imported(
        client, url, {"id": str(invoices[0].pk), "number": "9"}, {"id": str(invoices[1].pk), "number": "8"}
    )
    assert (job.result["updated"], job.result["errors"][0]["code"]) == (1, "conflict")


def test_attributes_of_the_route_decide_in_the_job_too(client, serve, invoices):
    first = Invoice.objects.filter(number="0")
    route = tables().as_view({"post": "export"}, queryset=first)
    serve(extra=[path("first/export", route)])

    assert exported(client, "/api/v1/first") == ["0"]


def test_two_viewsets_of_one_model_and_one_name_export_their_own_rows(client, serve, invoices):
    serve(tables(), tables(queryset=Invoice.objects.filter(number="1")))

    assert exported(client, SAMPLE) == ["0", "1", "2"]
    assert exported(client, "/api/v1/sample1") == ["1"]


def test_a_route_that_has_gone_fails_the_job_and_keeps_its_file(client, serve, invoices):
    serve(tables())
    exported(client, SAMPLE)
    client.post(f"{SAMPLE}/export", {"format": "json"}, format="json")
    serve()
    jobs.run_due()
    made, gone = Job.objects.order_by("created_at")

    assert (gone.status, gone.error["code"]) == ("failed", "NOT_FOUND")
    assert not jobs.may_have_file(made, made.user)
    assert client.get("/api/v1/jobs").status_code == 200


def test_the_view_of_a_job_has_a_whole_request(client, serve, invoices, settings):
    seen = []

    def get_queryset(self):
        request = self.request
        seen.append((request.auth, request.build_absolute_uri(), request.resolver_match is not None))
        return Invoice.objects.all()

    settings.API_URL = "https://api.example.com"
    settings.ALLOWED_HOSTS = ["api.example.com", "testserver"]
    serve(tables(queryset=None, get_queryset=get_queryset, get_serializer_class=lambda self: INVOICE))
    exported(client, SAMPLE)

    assert seen[-1] == (None, f"https://api.example.com{SAMPLE}/export", True)


# --- what the author decides ----------------------------------------------------------------------


class Censored(serializers.ListSerializer):
    def to_representation(self, data):
        return [row for row in super().to_representation(data) if row["number"] != "1"]


def test_a_list_serializer_decides_what_a_file_holds(client, serve, invoices):
    class Shown(INVOICE):
        class Meta(INVOICE.Meta):
            list_serializer_class = Censored

    serve(tables(serializer_class=Shown))

    assert exported(client, SAMPLE) == ["0", "2"]


@pytest.mark.parametrize("failing", [get_object_or_404, lambda model, **by: model.objects.get(**by)])
def test_a_view_that_fails_hands_out_no_file_and_breaks_no_list(client, serve, ann, invoices, failing):
    def get_queryset(self):
        failing(Customer, name="First")
        return Invoice.objects.all()

    serve(tables(get_queryset=get_queryset))
    exported(client, SAMPLE)
    Customer.objects.filter(name="First").update(name="Other")
    listed = client.get("/api/v1/jobs")

    assert listed.status_code == 200
    assert json.loads(listed.content)["data"][0]["result"]["url"] is None


def test_no_file_of_an_unknown_kind_is_handed_out(client, serve, invoices):
    serve(tables())
    exported(client, SAMPLE)
    job = Job.objects.get()

    assert jobs.may_have_file(job, job.user)
    job.kind = "removed.report"
    assert not jobs.may_have_file(job, job.user)


class InGroup(permissions.BasePermission):
    def has_permission(self, request, view):
        return request.user.groups.filter(name="accounting").exists()


def test_a_file_is_handed_out_under_the_permissions_of_its_view(client, serve, ann, invoices):
    group = ann.groups.create(name="accounting")
    serve(tables(permission_classes=[InGroup]))
    exported(client, SAMPLE)
    url = json.loads(client.get("/api/v1/jobs").content)["data"][0]["result"]["url"]

    assert b"".join(client.get(url))
    ann.groups.remove(group)
    assert client.get(url).status_code == 403


# --- by action and by method ----------------------------------------------------------------------


class ChangesOnly(permissions.BasePermission):
    def has_permission(self, request, view):
        return request.method != "DELETE" and view.action != "create"


def operation(method, row=None, **data):
    return {"method": method, **({"id": str(row.pk)} if row else {}), **({"data": data} if data else {})}


@pytest.mark.parametrize(("method", "status"), [("create", 403), ("update", 200), ("delete", 403)])
def test_a_bulk_operation_needs_the_permission_of_its_route(client, serve, invoices, method, status):
    serve(tables(permission_classes=[ChangesOnly]))
    row = None if method == "create" else invoices[0]
    body = {"operations": [operation(method, row, **({} if method == "delete" else {"number": "7"}))]}

    assert client.post(f"{SAMPLE}/bulk", body, format="json").status_code == status


def test_a_row_of_an_import_needs_the_permission_of_its_route(client, serve, invoices):
    serve(tables(permission_classes=[ChangesOnly]))
    job = imported(client, SAMPLE, {"id": str(invoices[0].pk), "number": "7"}, {"number": "8"})

    assert job.result["updated"] == 1
    assert [(one["row"], one["code"]) for one in job.result["errors"]] == [(2, "forbidden")]


def test_the_serializer_of_the_action_writes_and_shows(client, serve, invoices):
    number_and_paid = serializer(Invoice, "number", "isPaid")
    serve(
        tables(
            get_serializer_class=lambda self: number_and_paid if self.action == "partial_update" else INVOICE
        )
    )
    changes = {"operations": [operation("update", invoices[0], isPaid=True)]}
    result = client.post(f"{SAMPLE}/bulk", changes, format="json")

    assert json.loads(result.content)["data"][0]["isPaid"] is True
    assert imported(client, SAMPLE, {"id": str(invoices[1].pk), "isPaid": True}).result["updated"] == 1
    assert Invoice.objects.filter(is_paid=True).count() == 2


def test_a_method_without_a_route_is_no_operation(client, serve, invoices):
    serve(tables(http_method_names=["get", "post", "patch"]))
    body = {"operations": [operation("delete", invoices[0])]}
    response = client.post(f"{SAMPLE}/bulk", body, format="json")

    assert json.loads(response.content)["error"]["details"][0]["code"] == "invalid_choice"


def test_a_get_object_and_a_record_of_the_author_are_called(client, serve, invoices):
    recorded = []

    def get_object(self):
        return get_object_or_404(Invoice.objects.exclude(number="1"), pk=self.kwargs["pk"])

    serve(tables(get_object=get_object, record=lambda self, *event: recorded.append((self.action, event[0]))))
    for row, status in ((invoices[0], 200), (invoices[1], 404)):
        body = {"operations": [operation("update", row, number="7")]}
        assert client.post(f"{SAMPLE}/bulk", body, format="json").status_code == status

    assert recorded == [("partial_update", "updated")]


class Shouted(serializer(Club, "name")):  # type: ignore[misc]
    def to_representation(self, instance):
        return {**super().to_representation(instance), "name": instance.name.upper()}


def test_hooks_and_members_decide_in_bulk_import_and_export(client, serve, ann):
    mine, other = Club.objects.create(name="mine"), Club.objects.create(name="other")
    Seat.objects.create(club=mine, user=ann)
    updated = []

    def perform_update(self, changed):
        updated.append(changed.save().name)

    serve(tables(queryset=Club.objects.all(), serializer_class=Shouted, perform_update=perform_update))
    body = {"operations": [operation("update", mine, name="bulk")]}
    result = client.post(f"{SAMPLE}/bulk", body, format="json")
    foreign = client.post(
        f"{SAMPLE}/bulk", {"operations": [operation("update", other, name="taken")]}, format="json"
    )
    job = imported(client, SAMPLE, *({"id": str(club.pk), "name": "file"} for club in (mine, other)))
    client.post(f"{SAMPLE}/export", {"format": "json"}, format="json")
    jobs.run_due()
    with files.open_file(Job.objects.latest("created_at").result_file) as stream:
        rows = json.load(stream)

    assert json.loads(result.content)["data"][0]["name"] == "BULK"
    assert (foreign.status_code, job.result["errors"][0]["code"]) == (404, "conflict")
    assert (updated, [row["name"] for row in rows]) == (["bulk", "file"], ["FILE"])
