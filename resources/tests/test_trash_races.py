"""Emptying the trash while one of its objects is restored."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from core.tests import contract
from core.tests.waiting import wait_until
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db(transaction=True)

WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees the same for ever
        cursor.execute(WAITING)
        return cursor.fetchone() is not None


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no row locks")
def test_what_is_restored_meanwhile_is_not_erased(owner):
    contract.document()
    restored, other = (ResourceFactory(user=owner.user) for _ in range(2))
    for resource in (restored, other):
        resource.soft_delete()

    def empty():
        try:
            return owner.delete("/api/v1/resources/trash").status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Resource.objects.select_for_update().get(pk=restored.pk).restore()
            emptied = pool.submit(empty)
            wait_until(waits_for_a_lock, 10)
        assert emptied.result(30) == 204

    assert list(Resource.objects.values_list("pk", flat=True)) == [restored.pk]
