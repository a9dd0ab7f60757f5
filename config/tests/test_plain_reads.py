"""Handwritten methods of an author make a read plain by themselves, and are called for every caller."""

import pytest
from django.db.models import Value
from django.db.models.functions import ExtractHour, Now
from django.db.models.signals import post_init
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy
from rest_framework import permissions, serializers
from rest_framework.test import APIRequestFactory, force_authenticate

from config.tests.reading import ORDER, check, fast_and_plain, serializer, viewset
from config.tests.sample_models import (
    Customer,
    Invoice,
    Membership,
    Note,
    NoteQuerySet,
    Product,
)
from core.api.filters import FilterBackend, SortBackend
from core.api.read_eligibility import refusal_of
from core.api.viewsets import BaseViewSet
from core.db.access import Access
from core.db.statements import statement_cache

pytestmark = pytest.mark.usefixtures("sample_tables")

RULES = {
    "role": lambda rows, user: rows if user.role == "staff" else rows.filter(user=user),
    "email": lambda rows, user: rows.filter(text="red") if user.email.endswith("a.example") else rows.none(),
    "group": lambda rows, user: rows.filter(user__groups__in=user.groups.all()),
    "team": lambda rows, user: rows.filter(
        user__in=list(Membership.objects.filter(user=user).values_list("team__lead", flat=True))
    ),
    "time": lambda rows, user: rows.filter(created_at__lt=timezone.now(), user=user),
    "own": lambda rows, user: rows.filter(user=user),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_visible_to_by_hand_is_plain(monkeypatch, call, rows, callers, rule):
    monkeypatch.setattr(NoteQuerySet, "rule", staticmethod(RULES[rule]))
    view = viewset(Note, serializer(Note, "text"), **ORDER)
    check(monkeypatch, call, view, rows, callers)

    assert refusal_of(view, view.serializer_class) == "Note declares no access"
    assert len(statement_cache) == 0


def shouts(self, instance):
    shown = super(type(self), self).to_representation(instance)
    return {**shown, "number": f"{shown['number']} for {self.context['request'].user.name}"}


def own_queryset(self):
    paid = self.request.headers.get("X-Paid")
    return Invoice.objects.filter(customer__user=self.request.user, is_paid=paid == "yes")


class Rows:
    """A callable that is neither function nor method."""

    def __call__(self, deleted=False):
        return Invoice.objects.none()


class OnlyPaid(permissions.BasePermission):
    def has_object_permission(self, request, view, obj):
        return obj.is_paid


def cheap_ones(base):
    return lambda rows: base(rows).filter(number__lt="5")


class OwnAccess(Access):
    def condition(self, model, user_id, reach, *, with_public):
        return super().condition(model, user_id, reach, with_public=with_public)


class OwnFilterBackend(FilterBackend):
    pass


def rows_here(self):
    return Invoice.objects.filter(customer__user__email__endswith=self.request.user.email.split("@")[1])


class WithAnAction(BaseViewSet):
    """An action of one's own, with rows of one's own."""

    queryset = Invoice.objects.all()
    serializer_class = serializer(Invoice, "number")
    sort_fields = {"createdAt": "created_at"}

    def rows_here(self):
        return rows_here(self)

    def here(self, request):
        return self.list_response(self.rows_here)

    def there(self, request):
        return self.list_response(lambda: rows_here(self))


@pytest.mark.parametrize("action", ["here", "there"])
def test_the_rows_of_an_extra_action_are_queried_each_time(monkeypatch, rows, callers, action):
    def send(user):
        request = APIRequestFactory().get("/sample")
        force_authenticate(request, user)
        return WithAnAction.as_view({"get": action})(request).render()

    for user in callers * 3:
        fast, plain = fast_and_plain(monkeypatch, lambda user=user: send(user))
        assert fast == plain
    assert len({send(user).content for user in callers}) > 1


def test_a_catalogue_is_read_by_somebody_who_has_not_logged_in(monkeypatch, call, rows):
    view = viewset(Product, serializer(Product, "name"), permission_classes=[permissions.AllowAny], **ORDER)
    statement_cache.clear()
    fast, plain = fast_and_plain(monkeypatch, lambda: call(view, "list"))

    assert fast[0] == 200
    assert fast == plain


INVOICE = serializer(Invoice, "number")
OVERRIDES = {
    "ViewSet.get_queryset": viewset(Invoice, INVOICE, get_queryset=own_queryset),
    "ViewSet.filter_queryset": viewset(
        Invoice, INVOICE, filter_queryset=lambda self, rows: rows.filter(number__lt=self.request.user.name)
    ),
    "ViewSet.rows_in_state": viewset(Invoice, INVOICE, rows_in_state=Rows()),
    "ViewSet.get_object": viewset(
        Invoice, INVOICE, get_object=lambda self: Invoice.objects.get(pk=self.kwargs["pk"])
    ),
    "ViewSet.get_serializer_class": viewset(
        Invoice, INVOICE, get_serializer_class=lambda self: serializer(Invoice, "number", "isPaid")
    ),
    "ViewSet.check_object_permissions": viewset(
        Invoice, INVOICE, check_object_permissions=lambda self, request, row: self.permission_denied(request)
    ),
    "OnlyPaid.has_object_permission": viewset(Invoice, INVOICE, permission_classes=[OnlyPaid]),
    "ViewSet.filter_backends": viewset(Invoice, INVOICE, filter_backends=[OwnFilterBackend, SortBackend]),
    "Decorated.filter_queryset": method_decorator(cheap_ones, name="filter_queryset")(
        type("Decorated", (BaseViewSet,), {"queryset": Invoice.objects.all(), "serializer_class": INVOICE})
    ),
    "Sample.to_representation": viewset(
        Invoice, serializer(Invoice, "number", members={"to_representation": shouts})
    ),
    "a condition in the queryset of Invoice": viewset(
        Invoice, INVOICE, queryset=Invoice.objects.filter(is_paid=True)
    ),
}


@pytest.mark.parametrize("why", OVERRIDES)
def test_an_overridden_hook_is_called(monkeypatch, call, rows, callers, why):
    view = OVERRIDES[why]
    check(monkeypatch, call, view, rows, callers, headers={"HTTP_X_PAID": "yes"})

    assert refusal_of(view, view.serializer_class) == why


FIELDS = {
    "amount": serializers.DecimalField(max_digits=10, decimal_places=2),
    "lines": serializers.JSONField(),
    "due": serializers.DateField(source="due_date"),
    "customer": serializers.PrimaryKeyRelatedField(read_only=True),
    "owner": serializers.CharField(source="customer.name"),
    "shown": serializers.SerializerMethodField(),
    "paid": serializers.CharField(source="is_paid"),
    "at": serializers.DateTimeField(source="created_at", format="%Y"),
    "key": serializers.UUIDField(source="pk", format="hex"),
    "made": serializers.HiddenField(default=1),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_not_the_value_of_its_column_is_called(monkeypatch, call, rows, callers, name):
    shown = {"get_shown": lambda self, row: f"{row.number} for {self.context['request'].user.pk}"}
    view = viewset(Invoice, serializer(Invoice, "number", fields=[(name, FIELDS[name])], members=shown))
    check(monkeypatch, call, view, rows, callers)

    assert refusal_of(view, view.serializer_class) == f"the field {name} of Sample"


def test_a_column_that_is_shown_twice_is_plain(monkeypatch, call, rows, callers):
    """The values of a compiled row are told apart by their columns."""
    again = serializers.CharField(source="number", read_only=True)
    view = viewset(Invoice, serializer(Invoice, "number", fields=[("again", again)]))
    check(monkeypatch, call, view, rows, callers)

    assert refusal_of(view, view.serializer_class) == "a column that Sample shows twice"


def test_a_queryset_given_to_as_view_is_that_of_its_route_only(monkeypatch, call, rows, callers):
    view = viewset(Invoice, INVOICE)
    everything = call(view, "list", callers[-1], query={"scope": "all"}).content
    given = {"queryset": Invoice.objects.filter(is_paid=True)}
    some = call(view, "list", callers[-1], query={"scope": "all"}, initkwargs=given).content

    assert everything != some


def test_an_access_with_a_condition_of_its_own_is_plain(monkeypatch):
    monkeypatch.setattr(Customer, "access", OwnAccess(owner="user"))
    view = viewset(Customer, serializer(Customer, "name"))

    assert refusal_of(view, view.serializer_class) == "Customer declares no access"


def test_a_signal_when_rows_are_read_makes_them_plain():
    def mask(instance, **_kwargs):
        instance.number = "***"

    post_init.connect(mask, sender=Invoice)
    try:
        view = viewset(Invoice, INVOICE)
        assert refusal_of(view, view.serializer_class) == "a signal when a Invoice is read"
    finally:
        post_init.disconnect(mask, sender=Invoice)


@pytest.mark.parametrize("annotation", [Value(gettext_lazy("Yes")), Now(), ExtractHour("created_at")])
def test_an_annotation_that_is_more_than_columns_is_plain(annotation):
    field = serializers.CharField() if isinstance(annotation, Value) else serializers.IntegerField()
    rows = Invoice.objects.annotate(extra=annotation)
    view = viewset(Invoice, serializer(Invoice, "number", fields=[("extra", field)]), queryset=rows)

    assert refusal_of(view, view.serializer_class) == "the field extra of Sample"


def test_a_number_of_more_than_64_bits_in_a_json_column_is_read(call, invoice, people):
    """SQLite returns the float, PostgreSQL a whole number, which stands for a row that a script has written."""
    Invoice.objects.update(lines=[{"n": 1e20}])
    view = viewset(Invoice, serializer(Invoice, "lines"), **ORDER)

    for action, keys in (("list", {}), ("retrieve", {"pk": invoice.pk})):
        response = call(view, action, people["ann"], **keys)
        assert response.status_code == 200
        assert b'{"n":1' in response.content
