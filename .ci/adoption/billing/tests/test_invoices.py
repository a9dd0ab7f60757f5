import pytest

from billing.models import Invoice
from billing.tests.factories import CustomerFactory, InvoiceFactory
from core.tests.answers import code, names, problems
from core.tests.samples import png, upload

pytestmark = pytest.mark.django_db

URL = "/api/v1/invoices"
ROLES = ("owner", "stranger", "support", "admin")


def body(customer, **values):
    return {"customerId": str(customer.pk), "number": "1", "amount": "0.10", **values}


def path_of(invoice, *more):
    return "/".join((URL, str(invoice.pk), *more))


def statuses(callers, method, path, *args, **kwargs):
    return [getattr(callers[role], method)(path, *args, **kwargs).status_code for role in ROLES]


def test_an_invoice_is_created_for_an_own_customer(owner, customer):
    lines = [{"text": "A bell", "price": "0.10"}]
    answer = owner.post(URL, body(customer, status="sent", dueDate="2026-12-31", lines=lines))
    data = answer.json()["data"]

    assert answer.status_code == 201
    assert owner.get(answer["Location"]).json()["data"] == data
    assert (data["amount"], data["status"], data["dueDate"]) == ("0.10", "sent", "2026-12-31")
    assert (data["lines"], data["attachments"], data["paidAt"]) == (lines, [], None)


def test_only_an_admin_bills_the_customer_of_somebody_else(callers, customer):
    for role in ("stranger", "support"):
        assert problems(callers[role].post(URL, body(customer))) == {"customerId": "does_not_exist"}

    assert callers["admin"].post(URL, body(customer)).status_code == 201


def test_an_invoice_moves_to_no_customer_of_somebody_else(owner, invoice):
    foreign = CustomerFactory()
    answer = owner.patch(path_of(invoice), {"customerId": str(foreign.pk)})

    assert problems(answer) == {"customerId": "does_not_exist"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("amount", value) for value in ("-1", "1.001", "NaN", "1e400")),
        ("amount", {}),
        *(("status", "lost"), ("dueDate", "2026-02-30"), ("number", ""), ("lines", "x"), ("lines", [1])),
        *(("customerId", "x"), ("customerId", None)),
    ],
)
def test_wrong_values_are_refused_by_name(owner, customer, field, value):
    answer = owner.post(URL, body(customer, **{field: value}))

    assert {name.split(".")[0].split("[")[0] for name in problems(answer)} == {field}


def test_a_number_is_given_once_to_each_customer(owner, customer):
    assert owner.post(URL, body(customer)).status_code == 201
    assert code(owner.post(URL, body(customer))) == (409, "CONFLICT")


def test_a_list_has_the_operators_that_the_view_declares(owner, customer):
    for number, (amount, due) in enumerate(
        [("5.00", None), ("20.00", "2026-01-31"), ("30.00", "2026-03-31")]
    ):
        InvoiceFactory(customer=customer, number=str(number), amount=amount, due_date=due)

    for query, numbers in (
        ({"amount[gte]": "20"}, ["1", "2"]),
        ({"amount[gte]": "10", "amount[lte]": "20"}, ["1"]),
        ({"dueDate[lt]": "2026-03-31"}, ["1"]),
        ({"dueDate[isNull]": "true"}, ["0"]),
        ({"status[in]": "paid,sent"}, []),
    ):
        listed = owner.get(URL, {**query, "sort": "amount"}).json()["data"]
        assert [row["number"] for row in listed] == numbers, query
    assert problems(owner.get(URL, {"amount[lt]": "1"})) == {"amount[lt]": "unknown_parameter"}


def test_an_invoice_shows_its_customer_until_it_is_deleted(callers, invoice):
    query = {"include": "customer"}
    shown = callers["owner"].get(path_of(invoice), query)

    assert shown.json()["data"]["customer"]["name"] == invoice.customer.name
    held = callers["owner"].get(path_of(invoice), query, HTTP_IF_NONE_MATCH=shown["ETag"])
    assert held.status_code == 200
    listed = callers["owner"].get(URL, query).json()["data"]
    assert [row["customer"]["id"] for row in listed] == [str(invoice.customer.pk)]
    invoice.customer.soft_delete()
    assert callers["support"].get(path_of(invoice), query).json()["data"]["customer"] is None


def test_roles_read_and_write_what_is_declared(callers, invoice):
    path = path_of(invoice)

    assert statuses(callers, "get", path) == [200, 404, 200, 200]
    assert statuses(callers, "patch", path, {"amount": "2.00"}) == [200, 404, 403, 200]
    assert statuses(callers, "put", path, body(invoice.customer)) == [200, 404, 403, 200]
    for caller, expected in zip(callers.values(), (204, 404, 403, 204), strict=True):
        other = InvoiceFactory(customer=invoice.customer)
        assert caller.delete(path_of(other)).status_code == expected


def test_scope_all_is_for_support_and_admins(callers, invoice):
    assert statuses(callers, "get", f"{URL}?scope=all") == [403, 403, 200, 200]
    assert names(callers["support"].get(f"{URL}?scope=all"), "number") == [invoice.number]
    assert names(callers["support"].get(URL), "number") == []


def test_lists_filter_sort_and_search(owner, customer):
    dear = InvoiceFactory(customer=customer, number="dear", amount="100.00", status="sent")
    cheap = InvoiceFactory(customer=customer, number="cheap", amount="9.00")
    InvoiceFactory()

    assert names(owner.get(f"{URL}?sort=amount"), "number") == ["cheap", "dear"]
    assert names(owner.get(f"{URL}?sort=-amount&limit=1"), "id") == [str(dear.pk)]
    assert names(owner.get(f"{URL}?status=draft"), "id") == [str(cheap.pk)]
    assert names(owner.get(f"{URL}?search=dea"), "id") == [str(dear.pk)]
    assert names(owner.get(f"{URL}?customer={customer.pk}&sort=dueDate&fields=id"), "id")


@pytest.mark.parametrize(
    "query",
    [
        "sort=nothing",
        "status=lost",
        "customer=x",
        "limit=-1",
        "cursor=x",
        "search=%00",
        "scope=x",
        "unknown=1",
    ],
)
def test_wrong_parameters_are_a_400(callers, query):
    assert statuses(callers, "get", f"{URL}?{query}") == [400] * 4


def test_the_trash_gives_an_invoice_back(callers, owner, invoice):
    owner.delete(path_of(invoice))

    assert names(owner.get(f"{URL}/trash"), "number") == [invoice.number]
    assert [callers[role].post(path_of(invoice, "restore")).status_code for role in ROLES[1:]] == [
        404,
        403,
        200,
    ]
    assert owner.get(path_of(invoice)).status_code == 200


def test_bulk_does_all_or_nothing(owner, stranger, customer, invoice):
    create = {"method": "create", "data": body(customer, amount="7.50")}
    change = {"method": "update", "id": str(invoice.pk), "data": {"amount": "8.00"}}
    mine = CustomerFactory(user=stranger.user)
    theirs = [{"method": "create", "data": body(mine)}, change]

    assert stranger.post(f"{URL}/bulk", {"operations": theirs}).status_code == 404
    assert Invoice.objects.count() == 1
    assert owner.post(f"{URL}/bulk", {"operations": [create, change]}).status_code == 200
    assert sorted(str(row.amount) for row in Invoice.objects.all()) == ["7.50", "8.00"]


def test_bulk_refuses_support_and_foreign_customers(stranger, support, customer, invoice):
    change = {"method": "update", "id": str(invoice.pk), "data": {"amount": "8.00"}}
    create = {"method": "create", "data": body(customer)}

    assert support.post(f"{URL}/bulk", {"operations": [change]}).status_code == 403
    assert stranger.post(f"{URL}/bulk", {"operations": [create]}).status_code == 400


def test_attachments_follow_their_invoice(callers, owner, invoice):
    files = path_of(invoice, "attachments")
    created = owner.post(files, upload(png(), "bell.png"), format="multipart")

    assert created.status_code == 201
    assert [row["filename"] for row in owner.get(path_of(invoice)).json()["data"]["attachments"]] == [
        "bell.png"
    ]
    assert statuses(callers, "get", files) == [200, 404, 200, 200]
    assert statuses(callers, "get", created["Location"]) == [200, 404, 200, 200]
    for role, expected in {"stranger": 404, "support": 403, "admin": 201}.items():
        sent = callers[role].post(files, upload(b"Hello", "a.txt"), format="multipart")
        assert sent.status_code == expected
    for role, expected in {"stranger": 404, "support": 403, "owner": 204}.items():
        assert callers[role].delete(created["Location"]).status_code == expected


def test_history_tells_what_changed(callers, owner, invoice):
    owner.patch(path_of(invoice), {"amount": "3.00"})
    [entry] = owner.get(path_of(invoice, "history")).json()["data"]

    assert entry["event"] == "invoice.updated"
    assert entry["changes"]["amount"] == {"before": "119.90", "after": "3.00"}
    assert statuses(callers, "get", path_of(invoice, "history")) == [200, 404, 200, 200]


def test_a_stale_version_is_refused(owner, invoice):
    etag = owner.get(path_of(invoice))["ETag"]

    assert owner.patch(path_of(invoice), {"amount": "3.00"}, HTTP_IF_MATCH=etag).status_code == 200
    assert owner.patch(path_of(invoice), {"amount": "4.00"}, HTTP_IF_MATCH=etag).status_code == 412


def test_the_personal_data_export_holds_invoices(owner, stranger, invoice):
    def exported(caller):
        return caller.get("/api/v1/users/me/export").json()["data"]["invoices"]

    assert [row["number"] for row in exported(owner)] == [invoice.number]
    assert exported(stranger) == []
