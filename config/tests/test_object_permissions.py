"""Object permissions of a viewset (`has_object_permission`) hold on every route, and in jobs when they run."""

import pytest
from django_filters import rest_framework as django_filters
from rest_framework import permissions

from accounts.tests.factories import UserFactory
from config.tests.reading import serializer
from config.tests.sample_models import Club, Customer, Invoice, Membership, Project, Seat, Team
from config.tests.test_odd_viewsets import INVOICE, body, full, problems, update
from core.api.caller import acting, request_of, view_of
from core.audit import services as audit
from core.importexport.exports import ExportViewSet, SerializedRows, rows_permitted
from core.importexport.imports import one_by_one
from core.importexport.rows import Importer
from core.importexport.views import ImportViewSet

pytestmark = pytest.mark.usefixtures("sample_tables")


class OnlyUnpaid(permissions.BasePermission):
    def has_object_permission(self, request, view, row):
        return not row.is_paid


@pytest.fixture
def invoices(ann):
    customer = Customer.objects.create(name="C", user=ann)
    return [Invoice.objects.create(number=str(n), is_paid=n == 1, customer=customer) for n in range(2)]


def tables(of, serializer_class, **members):
    given = {"queryset": of.objects.all(), "serializer_class": serializer_class}
    return type("TableViewSet", (ImportViewSet, ExportViewSet), given | members)


def as_list(view, user):
    return acting(view_of(view, request_of(user, "POST"), "export"), "list", "GET")


def imported(view, user, *rows):
    importer = Importer(view_of(view, request_of(user, "POST"), "import_rows"))
    return one_by_one(importer, list(enumerate(rows, start=1)), dry=False)


def test_bulk_obeys_them(call, ann, invoices):
    view = full(Invoice, INVOICE, permission_classes=[OnlyUnpaid])
    operations = {"operations": [update(invoices[1].pk, number="9")]}

    assert call(view, "bulk", ann, data=operations).status_code == 403


def test_a_refused_row_of_an_import_is_an_error_of_the_row(ann, invoices):
    view = tables(Invoice, INVOICE, permission_classes=[OnlyUnpaid])
    rows = [{"id": str(row.pk), "number": "9"} for row in invoices]
    (_created, updated, _unchanged), problems = imported(view, ann, *rows)

    assert updated == 1
    assert [(one["row"], one["code"]) for one in problems] == [(2, "forbidden")]


def test_an_import_calls_the_hooks_and_names_wrong_fields(ann):
    view = tables(
        Project,
        serializer(Project, "name"),
        perform_create=lambda self, new: new.save(user=self.request.user, code="made"),
    )
    key = "018f0000-0000-7000-8000-000000000001"
    _counts, problems = imported(view, ann, {"id": key, "name": "A"}, {"name": "x" * 51})

    assert [(one["row"], one["field"], one["code"]) for one in problems] == [(2, "name", "max_length")]
    assert [(str(row.pk), row.code) for row in Project.objects.all()] == [(key, "made")]


def test_an_export_leaves_out_what_they_refuse(ann, invoices):
    view = as_list(tables(Invoice, INVOICE, permission_classes=[OnlyUnpaid]), ann)
    allowed = rows_permitted(view)

    assert [allowed(row) for row in invoices] == [True, False]
    assert SerializedRows(None, view, Invoice.objects.all(), "default").count == 0


# --- a team's rows everywhere ---------------------------------------------------------------------


def test_members_import_and_export_what_is_their_clubs(ann):
    club = Club.objects.create(name="Chess")
    Seat.objects.create(club=club, user=ann)
    other = Club.objects.create(name="Other")
    view = tables(Club, serializer(Club, "name"))
    rows, _columns = as_list(view, ann).exported()
    rows_of_file = [{"id": str(club.pk), "name": "Go"}, {"id": str(other.pk), "name": "Taken"}]
    (_created, updated, _unchanged), problems = imported(view, ann, *rows_of_file)

    assert list(rows) == [club]
    assert (updated, [one["code"] for one in problems]) == (1, ["conflict"])


# --- whose row it is ------------------------------------------------------------------------------


def test_the_subject_of_an_event_is_found_along_the_path(ann, invoices):
    team = Team.objects.create(name="T", lead=ann)
    membership = Membership.objects.create(team=team, user=UserFactory())

    assert audit.subject_of(invoices[0]) == ann.pk
    assert audit.subject_of(membership) == ann.pk
    assert audit.subject_of(Club(name="nobody's")) is None


def test_history_tells_the_owner_from_staff(call, ann, invoices):
    view = full(Invoice, INVOICE)
    call(view, "partial_update", ann, data={"number": "7"}, pk=invoices[0].pk)
    call(view, "partial_update", UserFactory(role="admin"), data={"number": "8"}, pk=invoices[0].pk)
    entries = body(call(view, "history", ann, method="get", pk=invoices[0].pk))

    assert [entry["actor"]["kind"] for entry in entries] == ["staff", "owner"]


# --- filters over relations -----------------------------------------------------------------------


class ByCustomer(django_filters.FilterSet):
    name = django_filters.CharFilter(field_name="customer__name")
    customer = django_filters.ModelChoiceFilter(queryset=Customer.objects.all())

    class Meta:
        model = Invoice
        fields = ()


def test_a_filter_over_a_relation_sees_visible_rows_only(call, ann, invoices):
    """Staff read every invoice, and no customer."""
    view = full(Invoice, INVOICE, filterset_class=ByCustomer)
    staff = UserFactory(role="staff")
    key = str(invoices[0].customer_id)

    assert len(body(call(view, "list", ann, query={"name": "C"}))) == 2
    assert body(call(view, "list", staff, query={"name": "C", "scope": "all"})) == []
    refused = call(view, "list", staff, query={"customer": key, "scope": "all"})
    assert problems(refused)[0][0] == "customer"
