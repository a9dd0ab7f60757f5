"""The reader of a database dump can neither log in, nor refresh, nor follow an emailed link."""

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core import serializers
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.tests.checks import API, data, log_in_with, refresh_with, token_in
from accounts.tests.factories import PASSWORD
from core.tests.office import browser_of

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


def test_the_database_holds_only_hashes(secrets_in_use, deliver, staff):
    emailed = [token_in(mail) for mail in deliver()]
    cookies = [browser_of(staff.user).cookies["sessionid"].value]
    assert len(emailed) == 2

    stored = dump()

    assert "ann@example.com" in stored
    assert [secret for secret in (*secrets_in_use, *emailed, *cookies) if secret in stored] == []


def test_the_name_of_a_browser_session_is_no_cookie(staff):
    browser_of(staff.user)
    [row] = Session.objects.all()
    thief = Client()
    thief.cookies["sessionid"] = row.session_key

    assert thief.get("/admin/").status_code == 302
    assert Session.objects.count() == 1


def test_an_unknown_cookie_writes_nothing():
    browser = Client()
    browser.cookies["sessionid"] = "unknown-0123456789"
    with CaptureQueriesContext(connection) as sent:
        assert browser.get("/admin/").status_code == 302

    assert {query["sql"].split()[0] for query in sent} == {"SELECT"}


@pytest.mark.parametrize("chosen", ["a-key-of-the-attacker-0123456789", "\x00", "é" * 300])
def test_a_chosen_cookie_never_becomes_a_session(staff, chosen):
    browser = Client()
    browser.cookies["sessionid"] = chosen
    browser.post("/admin/login/", {"username": staff.user.email, "password": PASSWORD})

    assert browser.get("/admin/").status_code == 200
    assert browser.cookies["sessionid"].value != chosen
