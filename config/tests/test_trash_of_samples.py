"""`DELETE …/trash` of viewsets whose trash lists more than the caller may delete."""

import pytest
from rest_framework.permissions import BasePermission

from accounts.tests.factories import UserFactory
from config.tests.reading import serializer
from config.tests.sample_models import Customer, Invoice
from core.api.mixins.trash import TrashViewSet

pytestmark = pytest.mark.usefixtures("sample_tables")


class Never(BasePermission):
    def has_object_permission(self, request, view, instance):
        return False


def everything(_view):
    return Invoice.objects.all()


@pytest.mark.parametrize(
    ("role", "members", "status"),
    [
        ("user", {}, 204),
        ("staff", {"get_queryset": everything}, 403),  # staff read every invoice
        ("admin", {"get_queryset": everything}, 204),
        ("admin", {"get_queryset": everything, "permission_classes": [Never]}, 403),
    ],
)
def test_what_a_caller_may_only_read_stays_in_the_trash(call, role, members, status):
    caller = UserFactory(role=role)
    owner = caller if role == "user" else UserFactory()
    invoice = Invoice.objects.create(number="1", customer=Customer.objects.create(name="C", user=owner))
    invoice.soft_delete()
    of = {"queryset": Invoice.objects.all(), "serializer_class": serializer(Invoice, "number")}
    view = type("ViewSet", (TrashViewSet,), {**of, **members})

    assert call(view, "empty_trash", caller, method="delete").status_code == status
    assert Invoice.objects.exists() is (status == 403)
