import pytest
from rest_framework.test import APIClient

from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def log_in_from():
    user = UserFactory()

    def enter(device):
        body = {"email": user.email, "password": PASSWORD}
        return APIClient().post("/api/v1/auth/login", body, HTTP_USER_AGENT=device)

    return enter


def test_the_first_device_needs_no_notice(log_in_from, deliver):
    log_in_from("Firefox on Linux")

    assert deliver() == []


def test_a_known_device_needs_no_notice(log_in_from, deliver):
    log_in_from("Firefox on Linux")
    log_in_from("Firefox on Linux")

    assert deliver() == []


def test_another_device_is_told_by_mail(log_in_from, deliver):
    log_in_from("Firefox on Linux")
    log_in_from("Safari on iPhone")

    (notice,) = deliver()
    assert notice.subject == "New log-in to your account"
    assert "Safari on iPhone" in notice.body
    assert "127.0.0.1" in notice.body
