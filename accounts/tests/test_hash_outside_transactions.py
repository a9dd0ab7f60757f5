"""The slow hash runs outside of transactions, which would hold locks meanwhile."""

from typing import ClassVar

import pytest
from django.db import connection

from accounts.hashers import BCryptHasher
from accounts.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

PERSON = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}


class Watched(BCryptHasher):
    """Hasher of the product that records whether a transaction was open."""

    seen: ClassVar[list[bool]] = []

    def encode(self, password, salt):
        self.seen.append(connection.in_atomic_block)
        return super().encode(password, salt)


@pytest.mark.parametrize("url", ["/api/v1/auth/register", "/api/v1/users"])
@pytest.mark.parametrize("headers", [{}, {"HTTP_IDEMPOTENCY_KEY": "k"}])
def test_a_new_account_is_hashed_before_its_transaction_and_once(
    anonymous, settings, monkeypatch, url, headers
):
    settings.PASSWORD_HASHERS = [f"{__name__}.Watched"]
    monkeypatch.setattr(Watched, "seen", [])

    assert {anonymous.post(url, PERSON, **headers).status_code for _ in range(2 if headers else 1)} == {201}
    assert Watched.seen == [False]
