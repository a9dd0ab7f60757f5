"""The defaults of a model without a file of its own: filters, the purge of its trash, a section of the export."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.tests.factories import UserFactory
from config.tests import sample_models
from config.tests.sample_models import Customer, Invoice, viewset
from core.api import personal_data
from core.files.tasks import erase_batch, expired_trash_of

pytestmark = pytest.mark.usefixtures("sample_tables")


@pytest.fixture
def invoices(ann):
    """Create two invoices of Ann's, and one of another user's."""
    theirs = Customer.objects.create(name="Theirs", user=UserFactory())
    Invoice.objects.create(number="9", customer=theirs)
    customer = Customer.objects.create(name="Blue Bikes", user=ann)
    return [
        Invoice.objects.create(number="1", customer=customer, is_paid=True),
        Invoice.objects.create(number="2", customer=customer, due_date="2026-02-01"),
    ]


def numbers(response):
    assert response.status_code == 200, response.content
    return sorted(row["number"] for row in json.loads(response.content)["data"])


# --- filters --------------------------------------------------------------------------------------

DECLARED = viewset(
    Invoice,
    "number",
    filterset_fields={"is_paid": ["exact"], "customer": ["exact"], "due_date": ["exact", "lt"]},
    search_fields=("=number", "customer__name"),
)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ({}, ["1", "2"]),
        ({"isPaid": "true"}, ["1"]),
        ({"dueDate": "2026-02-01"}, ["2"]),
        ({"dueDate[lt]": "2026-02-01"}, []),
        ({"search": "bikes blue"}, ["1", "2"]),
        ({"search": "bikes 2"}, ["2"]),
        ({"search": "theirs"}, []),
        ({"createdAfter": "2020-01-01T00:00:00Z", "isPaid": "false"}, ["2"]),
        ({"updatedBefore": "2020-01-01T00:00:00Z"}, []),
    ],
)
def test_a_view_names_its_filters(call, invoices, ann, query, rows):
    assert numbers(call(DECLARED, "list", ann, query=query)) == rows


def test_a_view_that_names_none_has_ranges_of_times(call, invoices, ann):
    plain = viewset(Invoice, "number")
    assert numbers(call(plain, "list", ann, query={"updatedAfter": "2020-01-01T00:00:00Z"})) == ["1", "2"]
    assert call(plain, "list", ann, query={"isPaid": "true"}).status_code == 400


def test_a_filter_by_a_row_that_the_caller_may_not_see_is_refused(call, invoices, ann):
    own, other = Customer.objects.get(user=ann), Customer.objects.exclude(user=ann).get()

    assert numbers(call(DECLARED, "list", ann, query={"customer": str(own.pk)})) == ["1", "2"]
    assert call(DECLARED, "list", ann, query={"customer": str(other.pk)}).status_code == 400


# --- the trash ------------------------------------------------------------------------------------


@pytest.fixture
def deleted(invoices):
    """Move the first invoice to the trash, eight days ago."""
    invoice = invoices[0]
    invoice.soft_delete()
    Invoice.objects.filter(pk=invoice.pk).update(deleted_at=timezone.now() - timedelta(days=8))
    return invoice


@pytest.mark.parametrize(("retention_time", "purged"), [(None, 0), (timedelta(days=7), 1)])
def test_the_model_sets_the_retention_time_of_its_trash(deleted, monkeypatch, retention_time, purged):
    monkeypatch.setattr(Invoice, "trash_retention", retention_time)

    assert erase_batch(expired_trash_of(Invoice)) == purged
    assert Invoice.objects.filter(pk=deleted.pk).exists() is not bool(purged)


# --- the export -----------------------------------------------------------------------------------


def test_an_export_holds_a_persons_own_rows(deleted, ann):
    rows = personal_data.rows_of(ann, viewset(Invoice, "number"), None)

    assert [(row["number"], row["deletedAt"] is not None) for row in rows] == [("1", True), ("2", False)]


def test_a_row_below_another_names_its_parent(ann):
    team = sample_models.Team.objects.create(name="Team", lead=ann)
    sample_models.Membership.objects.create(team=team, user=UserFactory())
    (row,) = personal_data.rows_of(ann, viewset(sample_models.Membership), None)

    assert row["teamId"] == team.pk
