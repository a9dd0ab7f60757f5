"""The setting REGISTRATION: who may create accounts."""

import io
from datetime import timedelta

import pytest
from django.core.management import call_command

from accounts.models import User
from accounts.tests.checks import API, events, log_in_with, refusal
from accounts.tests.factories import PASSWORD
from core.tests.office import allow, browser_of, url_of

pytestmark = pytest.mark.django_db

CLOSED = (403, "REGISTRATION_CLOSED")
ANN = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann Able"}
PATHS = [f"{API}/auth/register", f"{API}/users"]


def has_ann():
    return User.objects.filter(email="ann@example.com").exists()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("registration", ["invite", "closed"])
def test_nobody_registers_unless_it_is_open(settings, anonymous, hashes, path, registration):
    settings.REGISTRATION = registration

    assert refusal(anonymous.post(path, ANN)) == CLOSED
    assert (has_ann(), hashes.count, events()) == (False, 0, [])


@pytest.mark.parametrize("path", PATHS)
def test_a_taken_and_a_wrong_address_get_the_same_response(settings, owner, anonymous, path):
    settings.REGISTRATION = "invite"
    taken = ANN | {"email": owner.user.email}

    assert {refusal(anonymous.post(path, body)) for body in (taken, ANN, {})} == {CLOSED}


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_users_and_staff_are_refused_too(settings, request, who):
    settings.REGISTRATION = "invite"

    assert refusal(request.getfixturevalue(who).post(f"{API}/users", ANN)) == CLOSED


def test_an_admin_creates_accounts_while_it_is_by_invitation(settings, admin):
    settings.REGISTRATION = "invite"

    assert admin.post(f"{API}/users", ANN).status_code == 201
    assert admin.post(f"{API}/users", {"email": "bob@example.com", "name": "Bob"}).status_code == 201


def test_an_admin_cannot_register_while_it_is_by_invitation(settings, admin):
    settings.REGISTRATION = "invite"

    assert refusal(admin.post(f"{API}/auth/register", ANN)) == CLOSED


@pytest.mark.parametrize("path", PATHS)
def test_no_admin_creates_accounts_while_it_is_closed(settings, admin, path):
    settings.REGISTRATION = "closed"

    assert refusal(admin.post(path, ANN)) == CLOSED
    assert not has_ann()


def test_an_admin_with_an_expired_token_is_told_so(settings, clock, admin):
    settings.REGISTRATION = "invite"
    clock.shift(timedelta(minutes=20))

    assert refusal(admin.post(f"{API}/users", ANN)) == (401, "TOKEN_EXPIRED")


@pytest.mark.parametrize(("registration", "status"), [("open", 200), ("invite", 200), ("closed", 403)])
def test_staff_with_the_permission_add_users_in_the_admin_unless_closed(
    settings, staff, registration, status
):
    settings.REGISTRATION = registration
    browser = browser_of(allow(staff.user, "accounts.view_user", "accounts.add_user"))

    assert browser.get(url_of(User, "add")).status_code == status
    browser.post(url_of(User, "add"), ANN | {"role": "user"})
    assert has_ann() is (status == 200)


def test_the_operator_creates_an_admin_while_it_is_closed(settings, monkeypatch):
    settings.REGISTRATION = "closed"
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)

    call_command("createsuperuser", email=ANN["email"], name="Ann", interactive=False, stdout=io.StringIO())

    assert User.objects.get(email=ANN["email"]).is_superuser


def test_an_open_link_and_a_login_still_work(settings, owner, anonymous):
    settings.REGISTRATION = "closed"

    assert log_in_with(owner.user.email).status_code == 200
    assert anonymous.post(f"{API}/auth/forgot-password", {"email": owner.user.email}).status_code == 202
