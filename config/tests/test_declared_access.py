"""Declared access (core/db/access.py): who reads and writes which rows, on models of every kind."""

import json

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from config.tests.sample_models import Board, Card, Customer, Invoice, Membership, Note, Product, viewset
from core.api.mixins.trash import TrashViewSet

pytestmark = pytest.mark.usefixtures("sample_tables")


def readers(rows, people):
    return {name for name, user in people.items() if rows.visible_to(user).exists()}


def writers(rows, people):
    return {name for name, user in people.items() if rows.writable_by(user).exists()}


def test_members_read_and_write_what_is_their_teams(board, people):
    assert readers(Board.objects.all(), people) == {"ben", "cat", "admin"}
    assert writers(Board.objects.all(), people) == {"ben", "cat", "admin"}


def test_a_member_twice_over_sees_a_row_once(board, people):
    Membership.objects.create(team=board.team, user=people["ben"])

    assert Board.objects.all().visible_to(people["ben"]).count() == 1


@pytest.mark.parametrize("what", ["membership", "team", "board"])
def test_what_was_deleted_on_the_way_lets_nobody_in(board, people, what):
    card = Card.objects.create(title="Card", board=board)
    for row in {
        "membership": Membership.objects.filter(user=people["ben"]),
        "team": [board.team],
        "board": [board],
    }[what]:
        row.soft_delete()

    assert not Card.objects.all().visible_to(people["ben"]).filter(pk=card.pk).exists()
    assert not Card.objects.all().writable_by(people["ben"]).filter(pk=card.pk).exists()


def test_a_child_belongs_to_whom_its_parent_belongs(board, people):
    Card.objects.create(title="Card", board=board)

    assert readers(Card.objects.all(), people) == {"ben", "cat", "admin"}
    assert writers(Card.objects.all(), people) == {"ben", "cat", "admin"}


def test_a_role_may_read_more_than_it_writes(invoice, people):
    assert readers(Invoice.objects.all(), people) == {"ann", "staff", "admin"}
    assert writers(Invoice.objects.all(), people) == {"ann", "admin"}


def test_public_rows_are_everybodys_to_read_and_their_owners_to_write(people):
    Product.objects.create(name="Listed", is_listed=True, seller=people["ann"])
    Product.objects.create(name="Hidden", seller=people["ann"])
    rows = Product.objects.all()

    assert [row.name for row in rows.visible_to(people["ben"])] == ["Listed"]
    assert [row.name for row in rows.visible_to(AnonymousUser())] == ["Listed"]
    assert rows.visible_to(people["ann"]).count() == 2
    assert writers(rows, people) == {"ann", "admin"}


@pytest.mark.parametrize("deleted", ["row", "owner"])
def test_what_is_deleted_is_not_public(people, deleted):
    product = Product.objects.create(name="Listed", is_listed=True, seller=people["ann"])
    (product if deleted == "row" else people["ann"]).soft_delete()

    assert not Product.objects.all().visible_to(people["ben"]).exists()


def test_nobody_owns_a_row_without_an_owner(people):
    assert not Customer.objects.all().visible_to(AnonymousUser()).exists()
    assert not Customer.objects.all().owned_by(AnonymousUser()).exists()


@pytest.mark.parametrize(("action", "data"), [("partial_update", {"number": "2"}), ("destroy", None)])
@pytest.mark.parametrize(("who", "status"), [("ann", 200), ("staff", 403), ("ben", 404), ("admin", 200)])
def test_a_write_is_refused_by_404_or_403(call, invoice, people, action, data, who, status):
    response = call(viewset(Invoice, "number"), action, people[who], data=data, pk=invoice.pk)

    assert response.status_code == (204 if (status, action) == (200, "destroy") else status)


@pytest.mark.parametrize(("who", "status"), [("staff", 403), ("ben", 404), ("ann", 200)])
def test_a_restore_is_a_write(call, invoice, people, who, status):
    invoice.soft_delete()
    view = viewset(Invoice, "number", base=TrashViewSet)

    assert call(view, "restore", people[who], pk=invoice.pk).status_code == status


@pytest.mark.parametrize(("who", "own", "everybodys"), [("ann", 1, 403), ("staff", 0, 1), ("admin", 0, 1)])
def test_a_list_shows_own_rows_and_with_scope_everybodys(call, invoice, people, who, own, everybodys):
    view = viewset(Invoice, "number")
    response = call(view, "list", people[who], query={"scope": "all"})

    assert json.loads(call(view, "list", people[who]).content)["meta"]["total"] == own
    if response.status_code == 200:
        assert json.loads(response.content)["meta"]["total"] == everybodys
    else:
        assert response.status_code == everybodys


def test_a_list_of_a_catalogue_shows_public_rows(call, people):
    Product.objects.create(name="Listed", is_listed=True, seller=people["ann"])
    Product.objects.create(name="Hidden", seller=people["ann"])
    response = call(viewset(Product, "name"), "list", people["ben"])

    assert [row["name"] for row in json.loads(response.content)["data"]] == ["Listed"]


def test_code_that_moves_a_row_to_somebody_else_is_refused(call, invoice, people):
    view = viewset(
        Invoice, "number", perform_create=lambda self, serializer: serializer.save(customer=invoice.customer)
    )
    response = call(view, "create", people["ben"], data={"number": "1"})

    assert response.status_code == 403
    assert Invoice.objects.count() == 1


def test_perform_create_may_return_nothing(call, people):
    def perform_create(self, serializer):
        serializer.save(user=self.request.user, name="Changed")

    response = call(
        viewset(Customer, "name", perform_create=perform_create), "create", people["ann"], data={"name": "A"}
    )

    assert json.loads(response.content)["data"]["name"] == "Changed"


def test_perform_update_and_perform_destroy_are_called(call, invoice, people):
    seen = []

    def perform_update(self, serializer):
        seen.append("update")
        serializer.save(number="9")

    view = viewset(
        Invoice,
        "number",
        perform_update=perform_update,
        perform_destroy=lambda self, row: seen.append("destroy"),
    )
    response = call(view, "partial_update", people["ann"], data={"number": "2"}, pk=invoice.pk)
    call(view, "destroy", people["ann"], pk=invoice.pk)

    assert json.loads(response.content)["data"]["number"] == "9"
    assert seen == ["update", "destroy"]


def test_validators_of_one_serializer_are_its_own():
    sample = viewset(Customer, "name").serializer_class
    sample().fields["name"].validators.append(print)

    assert print not in sample().fields["name"].validators


@pytest.mark.parametrize(
    ("model", "method", "action", "forbids"),
    [
        (Invoice, "PATCH", "partial_update", True),  # staff read it, and do not write it
        (Invoice, "GET", "list", True),  # scope=all
        (Invoice, "GET", "retrieve", False),
        (Customer, "PATCH", "partial_update", False),
        (Board, "POST", "create", True),  # for another team
        (Note, "PATCH", "partial_update", True),  # what `visible_to` shows may be read only
        (Note, "GET", "retrieve", False),
    ],
)
def test_the_schema_knows_where_a_role_is_refused(model, method, action, forbids):
    view = viewset(model)()
    view.action, view.request = action, HttpRequest()
    view.request.method = method
    assert view.may_forbid() is forbids
