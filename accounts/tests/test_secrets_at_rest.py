"""Who reads a dump of the database can neither log in, nor refresh, nor follow a mailed link."""

import pytest
from django.apps import apps
from django.core import serializers

from accounts.tests.checks import API, data, log_in_with, refresh_with, token_in
from accounts.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


def dump():
    return "".join(serializers.serialize("json", model.objects.all()) for model in apps.get_models())


@pytest.fixture
def used(anonymous):
    """Every secret of an account in use: what was typed, handed out or mailed."""
    ann = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann Able"}
    first = data(anonymous.post(f"{API}/auth/register", ann), 201)["tokens"]
    second = data(refresh_with(first["refreshToken"]))["tokens"]
    third = data(log_in_with("ann@example.com"))["tokens"]
    anonymous.post(f"{API}/auth/forgot-password", {"email": "ann@example.com"})
    log_in_with("ann@example.com", "Wr0ng-password")
    handed_out = [pair[name] for pair in (first, second, third) for name in ("accessToken", "refreshToken")]
    return [PASSWORD, "Wr0ng-password", *handed_out, *(token.split(".")[2] for token in handed_out)]


def test_the_database_holds_only_hashes(used, deliver):
    mailed = [token_in(mail) for mail in deliver()]
    assert len(mailed) == 2

    kept = dump()

    assert "ann@example.com" in kept
    assert [secret for secret in (*used, *mailed) if secret in kept] == []
