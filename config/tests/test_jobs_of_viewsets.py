"""A job of a viewset serves its caller by the route that was called, and as the author of the viewset has decided."""

import json

import pytest
from django.shortcuts import get_object_or_404
from django.urls import path
from rest_framework import permissions, serializers

from config.tests.jobs_of_samples import SAMPLE, exported, imported, tables
from config.tests.sample_models import Customer, Invoice
from config.tests.test_odd_viewsets import INVOICE
from core.jobs import services as jobs
from core.jobs.models import Job

pytestmark = pytest.mark.usefixtures("sample_tables", "disk")


@pytest.fixture
def invoices(ann):
    customers = [Customer.objects.create(name=name, user=ann) for name in ("First", "Second")]
    return [Invoice.objects.create(number=str(n), customer=customers[n % 2]) for n in range(3)]


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


def test_arguments_of_the_path_decide_in_the_job_too(ann_client, serve, invoices):
    serve(extra=below_a_customer(tables()))
    url = f"/api/v1/customers/{invoices[0].customer_id}/invoices"

    assert exported(ann_client, url) == ["0", "2"]
    job = imported(
        ann_client,
        url,
        {"id": str(invoices[0].pk), "number": "9"},
        {"id": str(invoices[1].pk), "number": "8"},
    )
    assert (job.result["updated"], job.result["errors"][0]["code"]) == (1, "conflict")


def test_attributes_of_the_route_decide_in_the_job_too(ann_client, serve, invoices):
    first = Invoice.objects.filter(number="0")
    route = tables().as_view({"post": "export"}, queryset=first)
    serve(extra=[path("first/export", route)])

    assert exported(ann_client, "/api/v1/first") == ["0"]


def test_two_viewsets_of_one_model_and_one_name_export_their_own_rows(ann_client, serve, invoices):
    serve(tables(), tables(queryset=Invoice.objects.filter(number="1")))

    assert exported(ann_client, SAMPLE) == ["0", "1", "2"]
    assert exported(ann_client, "/api/v1/sample1") == ["1"]


def test_a_route_that_has_gone_fails_the_job_and_keeps_its_file(ann_client, serve, invoices):
    serve(tables())
    exported(ann_client, SAMPLE)
    ann_client.post(f"{SAMPLE}/export", {"format": "json"}, format="json")
    serve()
    jobs.run_due()
    made, gone = Job.objects.order_by("created_at")

    assert (gone.status, gone.error["code"]) == ("failed", "NOT_FOUND")
    assert not jobs.may_have_file(made, made.user)
    assert ann_client.get("/api/v1/jobs").status_code == 200


def test_the_view_of_a_job_has_a_whole_request(ann_client, serve, invoices, settings):
    seen = []

    def get_queryset(self):
        request = self.request
        seen.append((request.auth, request.build_absolute_uri(), request.resolver_match is not None))
        return Invoice.objects.all()

    settings.API_URL = "https://api.example.com"
    settings.ALLOWED_HOSTS = ["api.example.com", "testserver"]
    serve(tables(queryset=None, get_queryset=get_queryset, get_serializer_class=lambda self: INVOICE))
    exported(ann_client, SAMPLE)

    assert seen[-1] == (None, f"https://api.example.com{SAMPLE}/export", True)


# --- what the author decides ----------------------------------------------------------------------


class Censored(serializers.ListSerializer):
    def to_representation(self, data):
        return [row for row in super().to_representation(data) if row["number"] != "1"]


def test_a_list_serializer_decides_what_a_file_holds(ann_client, serve, invoices):
    class Shown(INVOICE):
        class Meta(INVOICE.Meta):
            list_serializer_class = Censored

    serve(tables(serializer_class=Shown))

    assert exported(ann_client, SAMPLE) == ["0", "2"]


@pytest.mark.parametrize("failing", [get_object_or_404, lambda model, **by: model.objects.get(**by)])
def test_a_view_that_fails_hands_out_no_file_and_breaks_no_list(ann_client, serve, ann, invoices, failing):
    def get_queryset(self):
        failing(Customer, name="First")
        return Invoice.objects.all()

    serve(tables(get_queryset=get_queryset))
    exported(ann_client, SAMPLE)
    Customer.objects.filter(name="First").update(name="Other")
    listed = ann_client.get("/api/v1/jobs")

    assert listed.status_code == 200
    assert json.loads(listed.content)["data"][0]["result"]["url"] is None


def test_no_file_of_an_unknown_kind_is_handed_out(ann_client, serve, invoices):
    serve(tables())
    exported(ann_client, SAMPLE)
    job = Job.objects.get()

    assert jobs.may_have_file(job, job.user)
    job.kind = "removed.report"
    assert not jobs.may_have_file(job, job.user)


class InGroup(permissions.BasePermission):
    def has_permission(self, request, view):
        return request.user.groups.filter(name="accounting").exists()


def test_a_file_is_handed_out_under_the_permissions_of_its_view(ann_client, serve, ann, invoices):
    group = ann.groups.create(name="accounting")
    serve(tables(permission_classes=[InGroup]))
    exported(ann_client, SAMPLE)
    url = json.loads(ann_client.get("/api/v1/jobs").content)["data"][0]["result"]["url"]

    assert b"".join(ann_client.get(url))
    ann.groups.remove(group)
    assert ann_client.get(url).status_code == 403
