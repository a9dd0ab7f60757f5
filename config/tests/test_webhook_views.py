"""Events of viewsets whose views decide who reads which rows."""

import pytest
from django.urls import path
from rest_framework.permissions import BasePermission, IsAdminUser

from config.tests.jobs_of_samples import SAMPLE
from config.tests.sample_models import Customer, viewset
from config.tests.webhooks_of_samples import received
from core.audit import services as audit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sample_tables")]


def test_the_permissions_of_the_view_decide(serve, ann_client, webhook, endpoint):
    class Nobody(BasePermission):
        def has_permission(self, request, _view):
            return request.method == "POST"

    serve(viewset(Customer, "name", permission_classes=(Nobody,)))
    ann_client.post(SAMPLE, {"name": "Zoe"}, format="json")

    assert received(endpoint, webhook) == []


def test_the_rows_of_the_view_decide(serve, ann, ann_client, webhook, endpoint):
    def get_queryset(view):
        return Customer.objects.visible_to(view.request.user).exclude(name="Hidden")

    for options in ({"get_queryset": get_queryset}, {"queryset": Customer.objects.exclude(name="Hidden")}):
        serve(viewset(Customer, "name", **options))
        for name in ("Hidden", "Shown"):
            row = Customer.objects.create(name=name, user=ann)
            audit.record("customer.updated", target=row)
            assert ann_client.get(f"{SAMPLE}/{row.pk}").status_code == (200 if name == "Shown" else 404)

        assert [data["name"] for _event, data in received(endpoint, webhook)] == ["Shown"]


def test_of_several_views_one_that_admits_the_owner_shows_the_row(serve, ann, webhook, endpoint):
    serve(
        viewset(Customer, "name", permission_classes=(IsAdminUser,), schema_name="First"),
        viewset(Customer, "name", queryset=Customer.objects.filter(name="Zoe"), schema_name="Second"),
        viewset(Customer, "name", queryset=Customer.objects.filter(name="Max"), schema_name="Third"),
    )
    for name in ("Zoe", "Max", "Eve"):
        audit.record("customer.updated", target=Customer.objects.create(name=name, user=ann))

    assert [data["name"] for _event, data in received(endpoint, webhook)] == ["Zoe", "Max"]


def test_the_parents_of_a_nested_path_are_those_of_the_row(serve, ann, webhook, endpoint):
    def get_queryset(view):
        return Customer.objects.filter(user=view.kwargs["user"])

    serve(
        extra=[
            path(
                "of/<uuid:user>/x",
                viewset(Customer, "name", get_queryset=get_queryset).as_view({"get": "list"}),
            )
        ]
    )
    audit.record("customer.updated", target=Customer.objects.create(name="Zoe", user=ann))

    assert [data["name"] for _event, data in received(endpoint, webhook)] == ["Zoe"]
