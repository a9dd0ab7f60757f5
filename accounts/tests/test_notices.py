"""A notice goes to the address of the account at the time of the event, however late it is sent."""

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.tests.checks import API, NEW_PASSWORD, log_in_with, refresh_with
from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

OLD, NEW = "old@example.com", "thief@example.com"


@pytest.fixture
def caller(log_in):
    return log_in(UserFactory(email=OLD, email_verified_at=timezone.now()))


def change_password(caller, settings):
    caller.post(f"{API}/auth/change-password", {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD})


def reuse_refresh_token(caller, settings):
    settings.REFRESH_GRACE = settings.REFRESH_GRACE * 0
    for _ in range(2):
        refresh_with(caller.refresh_token)


def log_in_elsewhere(caller, settings):
    log_in_with(OLD, headers={"User-Agent": "curl/8"})


@pytest.mark.parametrize(
    ("act", "subject"),
    [
        (change_password, "Your password was changed"),
        (reuse_refresh_token, "We closed a session of yours"),
        (log_in_elsewhere, "New log-in to your account"),
    ],
)
def test_a_late_notice_goes_to_the_address_at_the_time_of_the_event(caller, deliver, settings, act, subject):
    act(caller, settings)
    User.objects.filter(pk=caller.user.pk).update(email=NEW)

    assert [(mail.to, mail.subject) for mail in deliver()] == [([OLD], subject)]
