"""Log-in and log-out of the admin, and the change of the own password there."""

import json
from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import Session
from accounts.services.lockout import locks
from accounts.tests.checks import NEW_PASSWORD, access_of, event, events, log_in_with, try_token
from accounts.tests.factories import PASSWORD, UserFactory
from core.admin.sessions import SessionStore
from core.tests.interpreter import django_python
from core.tests.office import act, browser_of, errors

pytestmark = pytest.mark.django_db

LOG_IN = "/admin/login/"
OWN_PASSWORD = "/admin/password_change/"


def enter(email, password=PASSWORD, browser=None):
    return (browser or Client()).post(LOG_IN, {"username": email, "password": password})


def refusals(response):
    return [problem for problems in errors(response).values() for problem in problems]


@pytest.mark.parametrize("role", ["staff", "admin"])
def test_staff_can_log_in(role):
    user = UserFactory(role=role)
    response = enter(user.email)

    assert (response.status_code, response.url) == (302, "/admin/")
    assert event("admin.logged_in").actor_id == user.pk


def test_an_address_in_another_spelling_is_the_same():
    assert enter(f"  {UserFactory(role='staff').email.upper()} ").status_code == 302


@pytest.mark.parametrize("password", ["Wr0ng-password", PASSWORD.lower(), f" {PASSWORD}"])
def test_a_wrong_password_is_refused_in_the_form(password):
    user = UserFactory(role="staff")

    assert "correct email and password" in refusals(enter(user.email, password))[0].lower()
    assert events() == ["login.failed"]


def test_users_are_refused_as_if_the_password_were_wrong():
    wrong, user = refusals(enter("nobody@example.com")), UserFactory()

    assert refusals(enter(user.email)) == wrong


def test_a_deleted_user_is_refused():
    user = UserFactory(role="staff")
    user.soft_delete()

    assert refusals(enter(user.email))


def test_five_failures_lock_and_the_form_shows_for_how_long():
    user = UserFactory(role="staff")
    for _ in range(5):
        enter(user.email, "Wr0ng-password")

    assert refusals(enter(user.email)) == ["Too many failed attempts. Try again in 15 minutes."]


def test_an_unknown_address_is_locked_too():
    for _ in range(5):
        enter("nobody@example.com")

    assert refusals(enter("nobody@example.com")) == ["Too many failed attempts. Try again in 15 minutes."]


def test_the_admin_and_the_api_share_the_lock():
    user = UserFactory(role="staff")
    for _ in range(3):
        log_in_with(user.email, "Wr0ng-password")
    for _ in range(2):
        enter(user.email, "Wr0ng-password")

    assert log_in_with(user.email).status_code == 423
    assert "Too many" in refusals(enter(user.email))[0]


def test_the_rate_limit_per_ip_address_is_an_error_of_the_form(settings):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "auth": (2, 600)}
    users = [UserFactory(role="staff") for _ in range(3)]
    responses = [enter(user.email) for user in users]

    assert [response.status_code for response in responses] == [302, 302, 200]
    assert refusals(responses[2]) == ["Too many failed attempts. Try again in 10 minutes."]


def test_a_password_that_would_take_long_to_hash_is_refused(hashes):
    user = UserFactory(role="staff")
    before = hashes.count

    assert refusals(enter(user.email, "x" * 1025))
    assert hashes.count == before


def test_a_form_without_the_csrf_token_is_refused():
    response = enter(UserFactory(role="staff").email, browser=Client(enforce_csrf_checks=True))

    assert response.status_code == 403


def test_a_logout_is_audited(staff):
    browser = browser_of(staff.user)
    browser.post("/admin/logout/")

    assert event("admin.logged_out").actor_id == staff.user.pk
    assert browser.get("/admin/").status_code == 302


def test_a_lost_role_ends_access_at_once(staff):
    browser = browser_of(staff.user)
    type(staff.user).objects.filter(pk=staff.user.pk).update(role="user")

    assert browser.get("/admin/").status_code == 302


def test_ending_all_sessions_ends_browser_sessions_too(staff):
    browser = browser_of(staff.user)
    staff.post("/api/v1/auth/logout-all")

    assert browser.get("/admin/").status_code == 302


@pytest.mark.parametrize(
    ("target", "place"),
    [
        (OWN_PASSWORD, OWN_PASSWORD),
        ("https://evil.example/", "/admin/"),
        ("//evil.example", "/admin/"),
        ("/\\evil.example", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
    ],
)
def test_a_login_leads_to_no_other_site(target, place):
    user = UserFactory(role="staff")
    response = Client().post(
        f"{LOG_IN}?next=/admin/", {"username": user.email, "password": PASSWORD, "next": target}
    )

    assert (response.status_code, response.url) == (302, place)


# --- the session ----------------------------------------------------------------------------------


def test_a_login_replaces_the_session_that_the_browser_had(staff):
    browser = browser_of(staff.user)
    before = browser.cookies["sessionid"].value
    enter(staff.user.email, browser=browser)

    assert browser.cookies["sessionid"].value != before
    browser.cookies["sessionid"] = before
    assert browser.get("/admin/").status_code == 302


def test_a_key_that_the_browser_has_chosen_never_names_a_session():
    chosen = SessionStore("x" * 32)
    chosen["name"] = "value"
    chosen.save()

    assert chosen.session_key != "x" * 32
    assert SessionStore(chosen.session_key)["name"] == "value"


@pytest.mark.parametrize(("hours", "status"), [(11, 200), (12, 302)])
def test_a_session_ends_after_twelve_hours_also_in_use(clock, hours, status):
    user = UserFactory(role="admin")
    browser = Client()
    enter(user.email, browser=browser)
    for _ in range(hours - 1):
        clock.shift(timedelta(hours=1))
        act(browser, "unlock", user)  # its message is stored
    clock.shift(timedelta(hours=1))

    assert browser.get("/admin/").status_code == status


COOKIES = """
import json
from django.core.management import call_command
from accounts.models import User
call_command("migrate", verbosity=0)
User.objects.create_superuser("ann@example.com", "Ann", "Corr3ct-horse")
browser = Client()
fields = {"username": "ann@example.com", "password": "Corr3ct-horse"}
browser.get("/admin/login/", secure=True)
browser.post("/admin/login/", fields, secure=True)
user = str(User.objects.get().pk)
chosen = {"action": "unlock", "_selected_action": [user], "index": "0", "keys": user}
browser.post("/admin/accounts/user/", chosen, secure=True)
print(json.dumps({cookie.key: cookie.OutputString() for cookie in browser.cookies.values()}))
"""


def test_in_production_every_cookie_is_of_this_host_and_over_https_only(tmp_path):
    url = f"sqlite:///{tmp_path / 'cookies.sqlite3'}"
    done = django_python(
        COOKIES,
        DEBUG="false",
        SECURE_SSL_REDIRECT="true",
        DATABASE_URL=url,
        REDIS_URL="",
        CELERY_BROKER_URL="",
    )
    cookies = json.loads(done.stdout)

    assert cookies.keys() == {"__Host-sessionid", "__Host-admin-csrftoken", "__Host-messages"}, done.stderr
    for cookie in cookies.values():
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


# --- one's own password ---------------------------------------------------------------------------


def change(browser, old=PASSWORD, new=NEW_PASSWORD, again=None):
    return browser.post(
        OWN_PASSWORD, {"old_password": old, "new_password1": new, "new_password2": again or new}
    )


def test_a_change_of_the_own_password_keeps_this_browser_session(staff):
    browser = browser_of(staff.user)
    response = change(browser)

    assert response.status_code == 302
    assert browser.get("/admin/").status_code == 200
    assert log_in_with(staff.user.email, NEW_PASSWORD).status_code == 200


def test_a_change_of_the_own_password_ends_every_other_session(staff):
    elsewhere = browser_of(staff.user)
    change(browser_of(staff.user))

    assert try_token(access_of(staff)) == "TOKEN_REVOKED"
    assert Session.objects.get(pk=staff.session_id).end_reason == "password_changed"
    assert elsewhere.get("/admin/").status_code == 302


def test_the_change_is_audited_and_emailed(staff, deliver):
    change(browser_of(staff.user))

    assert event("password.changed").actor_id == staff.user.pk
    assert [mail.subject for mail in deliver()] == ["Your password was changed"]


def test_a_wrong_old_password_is_an_error_and_counted(staff):
    browser = browser_of(staff.user)

    for _ in range(5):
        assert errors(change(browser, old="Wr0ng-password"))["old_password"] == [
            "This is not the current password."
        ]
    assert "Too many" in errors(change(browser))["old_password"][0]
    assert locks([staff.user.email])


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        ("short", "At least 8"),
        ("E\u0301e\u0301e\u0301a\u03011", "At least 8"),
        ("alllowercase1", "upper-case"),
        ("Password1", "common"),
    ],
)
def test_a_weak_password_is_refused_in_the_form(staff, new, problem):
    response = change(browser_of(staff.user), new=new)

    assert problem in " ".join(refusals(response))
    assert staff.user.check_password(PASSWORD)
