"""A slow body holds no lock and no transaction while it is received."""

import json
from io import BytesIO

import pytest
from django.db import connection

from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/resources"


class Body(BytesIO):
    """A body that records whether a transaction is open while it is read."""

    seen = False
    in_transaction = False

    def read(self, *size):
        self.seen = True
        self.in_transaction |= connection.in_atomic_block
        return super().read(*size)


@pytest.mark.parametrize("method", ["put", "patch"])
def test_an_update_locks_no_row_while_its_body_is_received(owner, method):
    resource = ResourceFactory(user=owner.user)
    raw = json.dumps({"title": "new"}).encode()
    body = Body(raw)
    response = owner.generic(
        method.upper(), f"{URL}/{resource.pk}", raw, "application/json", **{"wsgi.input": body}
    )

    assert response.status_code == 200
    assert body.seen
    assert not body.in_transaction


@pytest.mark.parametrize("headers", [{}, {"HTTP_IDEMPOTENCY_KEY": "k"}])
def test_a_create_opens_no_transaction_while_its_body_is_received(owner, headers):
    raw = json.dumps({"title": "new"}).encode()
    body = Body(raw)
    response = owner.generic("POST", URL, raw, "application/json", **{"wsgi.input": body}, **headers)

    assert response.status_code == 201
    assert body.seen
    assert not body.in_transaction
