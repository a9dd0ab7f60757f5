"""What opens an account is in the database only as a hash."""

import re

import pytest
from django.apps import apps
from django.core import serializers
from rest_framework.test import APIClient

from accounts.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


def test_no_row_holds_a_usable_secret(deliver):
    client = APIClient()
    person = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}
    tokens = client.post("/api/v1/auth/register", person).json()["data"]["tokens"]
    secrets = [PASSWORD, tokens["accessToken"], tokens["refreshToken"]]
    refreshed = client.post("/api/v1/auth/refresh", {"refreshToken": tokens["refreshToken"]})
    secrets.append(refreshed.json()["data"]["tokens"]["refreshToken"])
    client.post("/api/v1/auth/forgot-password", {"email": "ann@example.com"})
    mails = deliver()
    secrets += [re.search(r"token=([\w-]+)", mail.body)[1] for mail in mails]

    rows = "".join(serializers.serialize("json", model.objects.all()) for model in apps.get_models())

    assert len(secrets) == 6
    for secret in secrets:
        assert secret not in rows
        assert secret.split(".")[-1] not in rows  # the signature alone would do harm as well
