"""The second factor in the admin: the log-in, the page of a user, and the reset by staff."""

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.mfa.models import RecoveryCode, TotpDevice
from accounts.mfa.tests.devices import enrolled
from accounts.models import User
from accounts.services.lockout import locks
from accounts.tests.checks import access_of, event, log_in_with, try_token
from accounts.tests.factories import PASSWORD, UserFactory
from core.tests.office import allow, browser_of, buttons, do, errors, url_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def chief(clock, log_in):
    """Return the app of an admin."""
    return enrolled(log_in(UserFactory(role="admin")))


def enter(phone, code="", browser=None):
    body = {"username": phone.user.email, "password": PASSWORD, "code": code}
    return (browser or Client()).post("/admin/login/", body)


def test_the_code_of_the_app_opens_the_admin(chief):
    browser = Client()
    response = enter(chief, chief.code(1), browser)

    assert (response.status_code, response.url) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda phone: "", "A code of your second factor is required."),
        (lambda phone: phone.wrong(), "The code is wrong, or was used before."),
        (lambda phone: phone.code(), "The code is wrong, or was used before."),
    ],
)
def test_without_a_valid_code_the_form_is_refused(chief, write, problem):
    browser = Client()

    assert errors(enter(chief, write(chief), browser)) == {"code": [problem]}
    assert browser.get("/admin/").status_code == 302


def test_the_page_of_the_log_in_has_a_field_for_the_code():
    page = Client().get("/admin/login/").content.decode()

    assert 'name="code"' in page
    assert 'autocomplete="one-time-code"' in page


def test_wrong_codes_lock_as_wrong_passwords_do(chief):
    for _ in range(5):
        enter(chief, chief.wrong())

    assert "Too many" in errors(enter(chief, chief.code(1)))["__all__"][0]
    assert locks([chief.user.email])


def test_a_session_from_before_the_factor_has_to_log_in_again(clock, admin):
    browser = browser_of(admin.user)
    assert browser.get("/admin/").status_code == 200
    phone = enrolled(admin)

    assert browser.get("/admin/").status_code == 302
    enter(phone, phone.code(1), browser)
    assert browser.get("/admin/").status_code == 200


def test_the_page_of_a_user_shows_the_factors(phone, admin):
    page = browser_of(admin.user).get(url_of(phone.user, "change")).content.decode()

    assert "authenticator app since 2027-01-15" in page
    assert "10 recovery codes left" in page
    assert phone.secret not in page


def test_staff_reset_the_factor_of_a_user_who_has_lost_it(phone, admin, deliver):
    deliver()
    do(browser_of(admin.user), "reset_second_factor", phone.user)

    assert not TotpDevice.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert try_token(access_of(phone.caller)) == "TOKEN_REVOKED"
    assert log_in_with(phone.user.email).status_code == 200
    assert event("second_factor.removed").actor_id == admin.user.pk
    assert [mail.subject for mail in deliver()] == ["A second factor was removed"]


def test_there_is_no_reset_without_a_factor_and_none_by_lower_staff(chief, admin, staff):
    office = browser_of(allow(staff.user, "accounts.view_user", "accounts.change_user"))

    assert "Reset the second factor" not in buttons(browser_of(admin.user), admin.user)
    assert "Reset the second factor" in buttons(browser_of(admin.user), chief.user)
    assert "Reset the second factor" not in buttons(office, chief.user)
    assert do(office, "reset_second_factor", chief.user).status_code == 403
    assert TotpDevice.objects.exists()


def test_an_admin_does_not_reset_the_own_factor(chief):
    browser = Client()
    enter(chief, chief.code(1), browser)
    do(browser, "reset_second_factor", chief.user)

    assert User.objects.get(pk=chief.user.pk).mfa_enabled


def test_the_command_resets_the_factor_of_an_admin_who_is_locked_out(chief, deliver):
    call_command("reset_second_factor", chief.user.email, verbosity=0)

    assert log_in_with(chief.user.email).status_code == 200
    assert "A second factor was removed" in [mail.subject for mail in deliver()]
    with pytest.raises(CommandError, match="has no second factor"):
        call_command("reset_second_factor", chief.user.email)
