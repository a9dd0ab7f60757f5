"""A row whose foreign key is set to NULL, because its target was deleted for good, has a new version."""

import pytest

from accounts.tests.factories import UserFactory
from config.tests.reading import serializer, viewset
from config.tests.sample_models import Customer, Invoice

pytestmark = pytest.mark.usefixtures("sample_tables")

WAYS = {
    "erase": lambda row: Invoice.objects.all().erase([row.pk]),
    "a row": lambda row: row.delete(),
    "a query": lambda row: Invoice.objects.filter(pk=row.pk).delete(),
    "with its owner": lambda row: row.customer.delete(),
}


@pytest.fixture
def first():
    user = UserFactory()
    return Invoice.objects.create(number="1", customer=Customer.objects.create(name="C", user=user))


@pytest.fixture
def second(first):
    other = Customer.objects.create(name="D", user=first.customer.user)
    return Invoice.objects.create(number="2", customer=other, replaces=first)


@pytest.mark.parametrize("way", WAYS)
def test_a_key_that_is_set_to_null_is_a_new_version(call, first, second, way):
    view = viewset(Invoice, serializer(Invoice, "number", "replaces"))
    user = first.customer.user
    before = call(view, "retrieve", user, pk=second.pk)
    unchanged = {"HTTP_IF_NONE_MATCH": before["ETag"]}
    assert call(view, "retrieve", user, headers=unchanged, pk=second.pk).status_code == 304

    WAYS[way](first)

    after = call(view, "retrieve", user, headers=unchanged, pk=second.pk)
    assert (after.status_code, after.data["replaces"]) == (200, None)
    updated = Invoice.objects.get()
    assert (updated.version, updated.updated_at > second.updated_at) == (second.version + 1, True)


def test_other_rows_keep_their_version(first, second):
    second.delete()

    assert Invoice.objects.get().version == first.version


def test_a_part_of_a_query_is_still_refused(first):
    with pytest.raises(TypeError, match="Cannot use 'limit' or 'offset' with delete"):
        Invoice.objects.all()[:1].delete()
