"""The page of the admin that runs the checks of `manage.py doctor`, and sends a test email."""

import pytest
from django.core.files.storage import default_storage
from django.core.mail.backends.locmem import EmailBackend

from accounts.tests.checks import event, events
from core.tests.office import browser_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("disk")]

URL = "/admin/checks/"


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def findings(response):
    return {finding.name: finding for finding in response.context["findings"]}


def test_nothing_runs_before_the_button_is_pressed(browser):
    assert findings(browser.get(URL)) == {}
    assert events() == []


def test_all_checks_run_and_leave_no_file(browser):
    shown = findings(browser.post(URL, {"all": "1"}))

    assert {"database", "migrations", "outbox", "jobs", "storage", "mail", "backups"} <= set(shown)
    assert (shown["storage"].status, shown["storage"].text) == ("ok", "a file was written, read and deleted")
    assert default_storage.listdir("")[1] == []
    assert event("installation.checked").actor_id == browser.user.pk


def test_a_test_email_goes_to_who_presses_the_button(browser, settings, mailoutbox):
    settings.EMAIL_HOST = "mail.example.com"
    response = browser.post(URL, {"mail": "1"})

    assert [mail.to for mail in mailoutbox] == [[browser.user.email]]
    assert findings(response)["mail"].text == "mail.example.com:25 took an email"
    assert event("mail.tested").actor_id == browser.user.pk


def test_a_mail_server_that_refuses_is_a_finding(browser, settings, monkeypatch):
    def refuse(*_arguments):
        raise ConnectionRefusedError("no server")

    settings.EMAIL_HOST = "mail.example.com"
    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    response = browser.post(URL, {"mail": "1"})

    assert findings(response)["mail"].status == "failed"
    assert "Check EMAIL_HOST" in response.content.decode()


def test_without_a_mail_server_the_finding_shows_it(browser, settings):
    settings.EMAIL_HOST = ""

    assert "no server" in findings(browser.post(URL, {"mail": "1"}))["mail"].text


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_checks_are_for_admins(staff, method):
    browser = browser_of(staff.user)

    assert getattr(browser, method)(URL).status_code == 403
    assert URL not in browser.get("/admin/").content.decode()


def test_a_check_needs_the_token_of_the_form(browser):
    strict = type(browser)(enforce_csrf_checks=True)
    strict.force_login(browser.user)

    assert strict.post(URL, {"mail": "1"}).status_code == 403
