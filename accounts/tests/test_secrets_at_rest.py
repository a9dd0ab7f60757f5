"""The reader of a database dump can neither log in, nor refresh, nor follow an emailed link."""

import pytest
from django.apps import apps
from django.core import serializers

from accounts.tests.checks import API, data, log_in_with, refresh_with, token_in
from accounts.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


def dump():
    return "".join(serializers.serialize("json", model.objects.all()) for model in apps.get_models())


@pytest.fixture
def secrets_in_use(anonymous):
    """Collect every secret of an account in use: typed, returned or emailed."""
    ann = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann Able"}
    first = data(anonymous.post(f"{API}/auth/register", ann), 201)["tokens"]
    second = data(refresh_with(first["refreshToken"]))["tokens"]
    third = data(log_in_with("ann@example.com"))["tokens"]
    anonymous.post(f"{API}/auth/forgot-password", {"email": "ann@example.com"})
    log_in_with("ann@example.com", "Wr0ng-password")
    returned = [pair[name] for pair in (first, second, third) for name in ("accessToken", "refreshToken")]
    return [PASSWORD, "Wr0ng-password", *returned, *(token.split(".")[2] for token in returned)]


def test_the_database_holds_only_hashes(secrets_in_use, deliver):
    emailed = [token_in(mail) for mail in deliver()]
    assert len(emailed) == 2

    stored = dump()

    assert "ann@example.com" in stored
    assert [secret for secret in (*secrets_in_use, *emailed) if secret in stored] == []
