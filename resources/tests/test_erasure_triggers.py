"""An owner is erased while rows of theirs change: a foreign key with SET_NULL does this between the deletions."""

import pytest
from django.db.models.signals import post_delete

from accounts.tests.factories import UserFactory
from core.db.models import Change, OwnerVersion
from resources.models import Resource
from resources.tests.factories import ResourceFactory


@pytest.mark.django_db(transaction=True)
def test_nothing_is_left_of_an_owner_whose_rows_change_during_the_deletion():
    user = UserFactory()
    key = user.pk
    ResourceFactory(user=user)
    changed = []

    def change(**_signal):
        changed.append(Resource.objects.filter(user_id=key).update(content="Changed"))

    post_delete.connect(change, sender=OwnerVersion)
    try:
        user.delete()  # the foreign keys are checked at the commit
    finally:
        post_delete.disconnect(change, sender=OwnerVersion)

    assert changed == [1]
    assert not OwnerVersion.objects.filter(user_id=key).exists()
    assert not Change.objects.filter(owner_id=key).exists()
