"""The clauses that a page of development names for a request, by models of an adopter."""

import pytest

from accounts.tests.factories import UserFactory
from config.tests.sample_models import Customer, viewset
from core.devpages.clauses import clauses_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sample_tables")]
Customers = viewset(Customer, "name")


def test_a_write_has_the_clauses_of_reading_and_of_writing(call):
    user = UserFactory()
    row = Customer.objects.create(name="Ann", user=user)
    response = call(Customers, "partial_update", user, data={"name": "Bob"}, pk=row.pk)

    assert response.status_code == 200, response.data
    assert clauses_of(response) == ["read: owner='user'", "write: owner='user'"]
    assert clauses_of(call(Customers, "retrieve", user, pk=row.pk)) == ["read: owner='user'"]


def test_a_refused_scope_has_no_clauses(call):
    response = call(Customers, "list", UserFactory(role="admin"), query={"scope": "nope"})

    assert response.status_code == 400
    assert clauses_of(response) == []
