"""MFA_REQUIRED_FOR: who has to add a second factor first, in the API and in the admin."""

import html
import re
from datetime import timedelta

import pytest
from django.test import Client

from accounts.mfa.models import TotpDevice
from accounts.mfa.tests.devices import MFA, Phone, code_of, enrolled
from accounts.models import User
from accounts.services.lockout import locks
from accounts.services.sessions import end_all_sessions
from accounts.tests.checks import API, event, refusal
from accounts.tests.factories import PASSWORD
from core.tests.interpreter import django_python
from core.tests.office import browser_of, errors

pytestmark = pytest.mark.django_db

PAGE = "/admin/second-factor/"
NEEDED = (403, "MFA_ENROLLMENT_REQUIRED")


@pytest.fixture
def _required(settings):
    settings.MFA_REQUIRED_FOR = ["staff", "admin"]


@pytest.fixture
def new_admin(clock, _required, admin):
    """Return the browser of an admin who has to add a second factor."""
    return browser_of(admin.user)


def secret_on(response):
    [secret] = re.findall(r"<code>([A-Z2-7]{32})</code>", response.content.decode())
    return secret


def finish(browser, secret, password=PASSWORD, code=None):
    return browser.post(PAGE, {"password": password, "code": code or code_of(secret)})


# --- the API ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_required")
def test_all_but_the_own_account_is_refused(clock, admin, owner):
    other = f"{API}/users/{owner.user.pk}"
    assert refusal(admin.get(f"{API}/users")) == NEEDED
    assert refusal(admin.patch(other, {"name": "New name"})) == NEEDED
    # As a stranger, to whom the role is not open.
    assert (
        refusal(admin.post(f"{API}/users", {"email": "eve@example.com", "name": "Eve", "role": "admin"}))
        == NEEDED
    )
    assert refusal(admin.get(f"{API}/users/me/export")) == NEEDED

    assert admin.get(f"{API}/users/me").status_code == 200
    assert admin.get(MFA).status_code == 200


@pytest.mark.usefixtures("_required")
def test_after_the_enrolment_all_is_open(clock, admin):
    enrolled(admin)

    assert admin.get(f"{API}/users").status_code == 200


@pytest.mark.usefixtures("_required")
def test_other_roles_need_none(owner):
    assert owner.get(f"{API}/users/{owner.user.pk}").status_code == 200


def test_a_role_that_does_not_exist_stops_the_start():
    done = django_python("pass", DEBUG="true", MFA_REQUIRED_FOR="stuff")

    assert "MFA_REQUIRED_FOR names 'stuff', which is no role" in done.stderr


# --- the admin --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/accounts/user/", "/admin/password_change/", "/admin/search/?q=a"]
)
def test_every_page_leads_to_the_enrolment(new_admin, path):
    response = new_admin.get(path)

    assert (response.status_code, response.url) == (302, PAGE)


def test_nothing_is_written_before_the_enrolment(new_admin, owner):
    response = new_admin.post(f"/admin/accounts/user/{owner.user.pk}/do/suspend/")

    assert (response.status_code, response.url) == (302, PAGE)
    assert User.objects.get(pk=owner.user.pk).is_active


def test_the_log_out_is_open(new_admin):
    assert new_admin.post("/admin/logout/").status_code == 200


def test_the_page_adds_the_app_and_shows_the_recovery_codes_once(new_admin):
    page = new_admin.get(PAGE)
    response = finish(new_admin, secret_on(page))

    assert 'src="data:image/svg+xml' in page.content.decode()
    assert len(re.findall(r"<code>[a-z2-7-]{19}</code>", response.content.decode())) == 10
    assert event("second_factor.added").actor_id == new_admin.user.pk
    assert new_admin.get("/admin/").status_code == 200
    assert new_admin.get(PAGE).url == "/admin/"


def test_the_other_browser_sessions_have_to_log_in_with_the_factor(new_admin):
    elsewhere = browser_of(new_admin.user)
    finish(new_admin, secret_on(new_admin.get(PAGE)))

    assert elsewhere.get("/admin/").url.startswith("/admin/login/")


def test_a_wrong_code_or_password_shows_the_same_secret_again(new_admin):
    secret = secret_on(new_admin.get(PAGE))

    response = finish(new_admin, secret, code=Phone(None, secret).wrong())
    assert errors(response) == {"code": ["The code is wrong, or was used before."]}
    response = finish(new_admin, secret, password="Wr0ng-password")
    assert errors(response) == {"password": ["This is not the current password."]}
    assert secret_on(response) == secret
    assert not User.objects.get(pk=new_admin.user.pk).mfa_enabled


def test_failures_lock_as_at_a_log_in(new_admin):
    secret = secret_on(new_admin.get(PAGE))
    for _ in range(5):
        finish(new_admin, secret, password="Wr0ng-password")

    assert "Too many" in html.unescape(finish(new_admin, secret).content.decode())
    assert locks([new_admin.user.email])


def test_a_secret_of_another_session_is_not_shown(new_admin):
    secret = secret_on(new_admin.get(PAGE))

    assert secret_on(browser_of(new_admin.user).get(PAGE)) != secret


def test_an_expired_secret_is_replaced(new_admin, clock):
    secret = secret_on(new_admin.get(PAGE))
    clock.shift(timedelta(hours=1, seconds=1))

    response = finish(new_admin, secret)
    assert secret_on(response) != secret
    assert finish(new_admin, secret_on(response)).status_code == 200
    assert TotpDevice.objects.get().confirmed_at


def test_a_log_out_everywhere_during_the_request_wins(new_admin, just_before):
    secret = secret_on(new_admin.get(PAGE))
    user = User.objects.get(pk=new_admin.user.pk)

    with just_before("SAVEPOINT", lambda: end_all_sessions(user=user, actor=user)):
        finish(new_admin, secret)

    assert not User.objects.get(pk=user.pk).mfa_enabled


def test_without_the_setting_the_page_is_a_choice(clock, staff):
    browser = browser_of(staff.user)

    assert "Add a second factor" in browser.get("/admin/").content.decode()
    assert finish(browser, secret_on(browser.get(PAGE))).status_code == 200


def test_the_page_needs_a_log_in():
    assert Client().get(PAGE).url.startswith("/admin/login/")
