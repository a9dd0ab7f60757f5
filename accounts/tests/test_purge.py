"""Expired rows are deleted, and no row before its time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Lockout, OneTimeToken, Session, User
from accounts.tests.checks import API, log_in_with
from accounts.tests.factories import PASSWORD, OneTimeTokenFactory, SessionFactory, UserFactory
from core.db.retention import BATCH, purge_expired

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("how", ["ended", "run out"])
def test_a_session_is_deleted_thirty_days_after_its_end(clock, how):
    over = timezone.now()
    SessionFactory(**{"ended_at": over} if how == "ended" else {"expires_at": over})
    clock.shift(timedelta(days=30))
    assert purge_expired()["sessions"] == 0

    clock.shift(1)
    assert purge_expired()["sessions"] == 1
    assert not Session.objects.exists()


def test_the_window_is_a_setting(clock, settings):
    settings.SESSION_RETENTION = timedelta(days=3)
    SessionFactory(ended_at=timezone.now())
    clock.shift(timedelta(days=3))
    assert purge_expired()["sessions"] == 0

    clock.shift(1)
    assert purge_expired()["sessions"] == 1


def test_a_live_session_is_never_purged(owner):
    assert purge_expired()["sessions"] == 0
    assert Session.objects.get().is_live


def test_an_emailed_link_is_deleted_a_day_after_its_expiry(clock):
    OneTimeTokenFactory(expires_at=timezone.now())
    clock.shift(timedelta(days=1))
    assert purge_expired()["one-time tokens"] == 0

    clock.shift(1)
    assert purge_expired()["one-time tokens"] == 1
    assert not OneTimeToken.objects.exists()


def test_a_count_of_failures_is_deleted_after_a_day(clock):
    log_in_with("nobody@example.com", "Wr0ng-password")
    clock.shift(timedelta(days=1))
    assert purge_expired()["lockouts"] == 0

    clock.shift(1)
    assert purge_expired()["lockouts"] == 1
    assert not Lockout.objects.exists()


def test_a_deleted_account_is_erased_after_thirty_days(clock, owner, stranger):
    owner.delete(f"{API}/users/me", {"currentPassword": PASSWORD})

    clock.shift(timedelta(days=30))
    assert purge_expired()["deleted accounts"] == 0
    clock.shift(1)
    assert purge_expired()["deleted accounts"] == 1

    assert User.objects.get() == stranger.user


def test_an_account_that_is_not_deleted_is_never_erased(clock):
    UserFactory()
    clock.shift(timedelta(days=3650))

    assert purge_expired()["deleted accounts"] == 0


def test_a_second_run_purges_nothing(clock):
    SessionFactory(ended_at=timezone.now() - timedelta(days=31))
    purge_expired()

    assert set(purge_expired().values()) == {0}


def test_one_run_purges_more_than_a_batch(clock):
    Lockout.objects.bulk_create(Lockout(address_hash=f"{number:064x}") for number in range(BATCH + 1))
    clock.shift(timedelta(days=1, seconds=1))

    assert purge_expired()["lockouts"] == BATCH + 1
