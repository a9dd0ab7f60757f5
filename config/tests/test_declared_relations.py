"""Relations that a client writes: only to rows that the caller may read, or write where they decide whose row it is."""

import json

import pytest
from django.core.exceptions import ImproperlyConfigured
from rest_framework import serializers

from config.tests.sample_models import Board, Customer, Invoice, Project, Team, viewset
from core.api.serializers import ModelSerializer
from core.api.viewsets import BaseViewSet

pytestmark = pytest.mark.usefixtures("sample_tables")


def codes(response):
    return [(item["field"], item["code"]) for item in json.loads(response.content)["error"]["details"]]


@pytest.mark.parametrize("who", ["ben", "staff"])
def test_a_foreign_key_takes_only_rows_that_its_writer_may_write(call, invoice, people, who):
    """Staff may read the customer's invoices, but not the customer."""
    view = viewset(Invoice, "number", "customer")
    data = {"number": "3", "customer": str(invoice.customer_id)}
    response = call(view, "create", people[who], data=data)

    assert (response.status_code, codes(response)) == (400, [("customer", "does_not_exist")])


def test_a_row_moves_to_nobody_elses_parent(call, invoice, people):
    other = Customer.objects.create(name="Other", user=people["ben"])
    response = call(
        viewset(Invoice, "customer"),
        "partial_update",
        people["ann"],
        data={"customer": str(other.pk)},
        pk=invoice.pk,
    )

    assert (response.status_code, codes(response)) == (400, [("customer", "does_not_exist")])


def test_a_new_row_goes_to_an_own_parent(call, people):
    mine = Customer.objects.create(name="Mine", user=people["ann"])
    response = call(
        viewset(Invoice, "number", "customer"),
        "create",
        people["ann"],
        data={"number": "1", "customer": str(mine.pk)},
    )

    assert response.status_code == 201


def test_a_new_row_is_its_makers(call, people):
    response = call(viewset(Customer, "name"), "create", people["ann"], data={"name": "New"})

    assert response.status_code == 201
    assert Customer.objects.get().user == people["ann"]


def test_ownership_cannot_be_given_to_somebody_one_may_not_write(call, invoice, people):
    data = {"user": str(people["ben"].pk)}
    view = viewset(Customer, "name", "user")
    response = call(view, "partial_update", people["ann"], data=data, pk=invoice.customer_id)

    assert (response.status_code, codes(response)) == (400, [("user", "does_not_exist")])


def test_an_object_may_be_sent_back_as_it_was_read(call, board, people):
    """A member writes the boards of the team, and not the team: the relation may stay, and not change."""
    other = Team.objects.create(name="Other", lead=people["cat"])
    view = viewset(Board, "title", "team")
    sent = [
        call(view, "update", people["ben"], data={"title": "New", "team": str(team.pk)}, pk=board.pk)
        for team in (board.team, other)
    ]

    assert [response.status_code for response in sent] == [200, 400]
    assert codes(sent[1]) == [("team", "does_not_exist")]


def test_hidden_rows_of_a_relation_to_many_may_stay(call, people):
    project = Project.objects.create(name="P", user=people["ann"])
    kept, other = (Customer.objects.create(name=name, user=people["ben"]) for name in ("Kept", "Other"))
    project.customers.add(kept)
    view = viewset(Project, "name", "customers")
    sent = [
        call(
            view,
            "partial_update",
            people["ann"],
            data={"customers": [str(row.pk) for row in rows]},
            pk=project.pk,
        )
        for rows in ([kept], [kept, other])
    ]

    assert [response.status_code for response in sent] == [200, 400]
    assert codes(sent[1]) == [("customers", "does_not_exist")]


def test_a_relation_given_by_a_field_of_ones_own_is_looked_at_too(call, invoice, people):
    own_field = serializers.PrimaryKeyRelatedField(queryset=Customer.objects.all(), source="customer")
    view = viewset(Invoice, "number", base=BaseViewSet)
    view.serializer_class = type(
        "Own",
        (ModelSerializer,),
        {
            "payer": own_field,
            "Meta": type("Meta", (), {"model": Invoice, "fields": ("id", "number", "payer")}),
        },
    )
    response = call(view, "create", people["ben"], data={"number": "1", "payer": str(invoice.customer_id)})

    assert (response.status_code, codes(response)) == (400, [("payer", "does_not_exist")])


def test_a_field_that_writes_the_key_of_a_relation_is_refused_by_name():
    meta = type("Meta", (), {"model": Invoice, "fields": ("id", "customerId")})
    key = serializers.UUIDField(source="customer_id")
    by_key = type("ByKey", (ModelSerializer,), {"customerId": key, "Meta": meta})

    with pytest.raises(ImproperlyConfigured, match="customerId writes the key"):
        by_key().fields  # noqa: B018 - they are found out here
