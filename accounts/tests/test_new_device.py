import pytest
from rest_framework.test import APIClient

from accounts.tests.checks import log_in_with
from accounts.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 ({system}; rv:{version}) Gecko/20100101 Firefox/{version}"


@pytest.fixture
def log_in_from():
    user = UserFactory()

    def enter(device, **extra):
        return log_in_with(user.email, HTTP_USER_AGENT=device, **extra)

    return enter


def test_the_first_device_needs_no_notice(log_in_from, deliver):
    log_in_from("Firefox on Linux")

    assert deliver() == []


def test_a_known_device_needs_no_notice(log_in_from, deliver):
    log_in_from("Firefox on Linux")
    log_in_from("Firefox on Linux")

    assert deliver() == []


def test_an_update_of_browser_and_system_needs_no_notice(log_in_from, deliver):
    log_in_from(FIREFOX.format(system="Windows NT 10.0; Win64; x64", version="133.0"))
    log_in_from(FIREFOX.format(system="Windows NT 11.0; Win64; x64", version="134.0"))

    assert deliver() == []


@pytest.mark.parametrize("other", ["X11; Linux x86_64", "Macintosh; Intel Mac OS X 10.15"])
def test_the_same_browser_on_another_system_is_notified_by_email(log_in_from, deliver, other):
    log_in_from(FIREFOX.format(system="Windows NT 10.0; Win64; x64", version="133.0"))
    log_in_from(FIREFOX.format(system=other, version="133.0"))

    assert len(deliver()) == 1


def test_another_device_is_described_in_the_email(log_in_from, deliver):
    log_in_from("curl/8.5.0")
    log_in_from(FIREFOX.format(system="Windows NT 10.0; Win64; x64", version="133.0"))

    (notice,) = deliver()
    assert notice.subject == "New log-in to your account"
    assert "Firefox on Windows" in notice.body
    assert "Mozilla" not in notice.body
    assert "127.0.0.1" in notice.body


def test_the_device_of_an_ended_session_is_known(log_in_from, deliver):
    log_in_from("curl/8.5.0")
    log_in_from("python-requests/2.32.3")
    deliver()
    log_in_from("curl/8.9.1")

    assert deliver() == []


def test_the_notice_has_the_device_and_ip_address_of_the_login_also_after_a_refresh(log_in_from, deliver):
    log_in_from("curl/8.5.0")
    response = log_in_from("thief/1.0", REMOTE_ADDR="203.0.113.9")
    body = {"refreshToken": response.json()["data"]["tokens"]["refreshToken"]}
    refreshed = APIClient().post("/api/v1/auth/refresh", body, HTTP_USER_AGENT="curl/8.5.0")
    assert refreshed.status_code == 200

    (notice,) = deliver()
    assert "thief" in notice.body
    assert "203.0.113.9" in notice.body


def test_invisible_characters_of_a_device_are_not_in_the_email(log_in_from, deliver):
    log_in_from("curl/8.5.0")
    log_in_from("\u202eevil\u200b/1.0")

    (notice,) = deliver()
    assert "  evil\n" in notice.body
    assert not {"\u202e", "\u200b"} & {*notice.body, *notice.alternatives[0].content}
