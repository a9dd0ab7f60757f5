from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.api_keys.models import ApiKey
from accounts.api_keys.secrets import SHOWN_CHARACTERS, new_secret
from accounts.tests.conftest import clock, just_before
from accounts.tokens import digest
from core.api.scopes import all_scopes
from core.tests.caller import Caller

__all__ = ["clock", "just_before"]


@pytest.fixture
def key_of(db):
    """Return a function that makes a key of a user with these scopes, by default all, and returns its client."""

    def make(user, *scopes, lifetime=timedelta(days=1)):
        secret = new_secret()
        caller = Caller()
        caller.user, caller.secret = user, secret
        caller.key = ApiKey.objects.create(
            user=user,
            name="Nightly export",
            prefix=secret[:SHOWN_CHARACTERS],
            key_hash=digest(secret),
            scopes=list(scopes) or all_scopes(),
            expires_at=timezone.now() + lifetime,
        )
        caller.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        return caller

    return make
