import json

import pytest

from billing.models import Invoice
from billing.tests.factories import CustomerFactory, InvoiceFactory
from core.tests.job_results import content, finished
from core.tests.samples import upload

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/invoices"


def exported(caller, url=URL, **values):
    job = finished(caller, caller.post(f"{url}/export", values))
    assert job["status"] == "succeeded", job
    return content(job)


def imported(caller, table, name):
    job = finished(caller, caller.post(f"{URL}/import", upload(table, name), format="multipart"))
    assert job["status"] == "succeeded", job
    result = job["result"]
    return [result[key] for key in ("created", "updated", "unchanged", "failed")], result["errors"]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_an_export_can_be_imported_again(owner, invoice, kind):
    InvoiceFactory(customer=invoice.customer, status="sent", due_date="2026-12-31", lines=[])
    before = owner.get(f"{URL}/{invoice.pk}").json()["data"]
    table = exported(owner, format=kind)

    assert imported(owner, table, f"rows.{kind}") == ([0, 0, 2, 0], [])
    Invoice.objects.update(amount=1, lines=[{"text": "Other"}])
    assert imported(owner, table, f"rows.{kind}") == ([0, 2, 0, 0], [])
    after = owner.get(f"{URL}/{invoice.pk}").json()["data"]
    moved = {"updatedAt": "", "version": ""}
    assert after | moved == before | moved


def test_an_export_holds_what_the_list_shows(owner, stranger, support, invoice):
    assert [row["amount"] for row in json.loads(exported(owner, format="json"))] == ["119.90"]
    assert json.loads(exported(stranger, format="json")) == []
    assert len(json.loads(exported(support, format="json", scope="all"))) == 1
    assert owner.post(f"{URL}/export", {"format": "json", "scope": "all"}).status_code == 403


def test_each_of_two_viewsets_of_a_model_exports_by_itself(owner, invoice):
    summaries = json.loads(exported(owner, "/api/v1/invoice-summaries", format="json"))

    assert summaries == [{"id": str(invoice.pk), "amount": "119.90"}]
    assert "lines" in json.loads(exported(owner, format="json"))[0]


def test_an_import_reports_rows_that_the_caller_may_not_write(owner, stranger, support, invoice):
    mine, theirs = CustomerFactory(user=stranger.user).pk, invoice.customer_id
    table = f"customerId,number,amount\r\n{mine},1,2.50\r\n{theirs},2,2.50\r\n{mine},3,much\r\n".encode()
    change = f"id,amount\r\n{invoice.pk},1.00\r\n".encode()

    (counts, errors) = imported(stranger, table, "rows.csv")
    assert counts == [1, 0, 0, 2]
    assert [(item["row"], item["field"]) for item in errors] == [(2, "customerId"), (3, "amount")]
    for caller in (stranger, support):
        (counts, _errors) = imported(caller, change, "rows.csv")
        assert counts == [0, 0, 0, 1]
    assert str(Invoice.objects.get(pk=invoice.pk).amount) == "119.90"
