"""Fixtures of all tests. A client's name is the role of its user: `owner`, `stranger`, `staff`, `admin`."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection

from accounts.models import User
from accounts.services.sessions import open_session
from accounts.tests.factories import UserFactory
from core.audit import triggers as append_only
from core.db import counters, triggers
from core.outbox import services as outbox
from core.tests.caller import Caller
from core.web import request_context

REDIS_URL = settings.REDIS_URL  # before a test sets another

pytest_plugins = [
    *("core.tests.storages", "core.tests.normalisation"),
    *("core.backups.tests.installation", "core.backups.tests.barriers"),
]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Remove the audit log's triggers: they forbid the TRUNCATE between tests with real transactions.

    The tests of the triggers install them again.
    """
    with django_db_blocker.unblock():
        triggers.remove(connection, append_only.append_only_triggers)
    triggers.declarations.remove(append_only.append_only_triggers)
    yield
    # DROP DATABASE writes a checkpoint, which takes long on a busy disk.
    request_context.time_limits.set(request_context.TimeLimits(statement_timeout="60s", lock_timeout="60s"))


@pytest.fixture(autouse=True)
def _fresh_limits() -> Iterator[None]:
    """Reset the rate limits, and the context that a service may have set without a request, after each test."""
    token = request_context.current.set(request_context.current.get())
    yield
    request_context.current.reset(token)
    counters.local_counter.clear()
    if REDIS_URL:
        with redis.Redis.from_url(REDIS_URL) as client:
            for key in client.scan_iter("limit:*"):
                client.delete(key)


@pytest.fixture
def log_in(db: None) -> Callable[[User], Caller]:
    """Return a client with a new session, as if the user had just logged in."""

    def enter(user: User) -> Caller:
        caller = Caller()
        caller.user = user
        pair = open_session(user)
        caller.authorization = f"Bearer {pair.access}"
        caller.credentials(HTTP_AUTHORIZATION=caller.authorization)
        caller.session_id, caller.refresh_token = pair.session.pk, pair.refresh
        return caller

    return enter


@pytest.fixture
def anonymous() -> Caller:
    return Caller()


@pytest.fixture
def owner(log_in: Callable[[User], Caller]) -> Caller:
    return log_in(UserFactory(name="Olive Owner"))


@pytest.fixture
def stranger(log_in: Callable[[User], Caller]) -> Caller:
    return log_in(UserFactory(name="Sam Stranger"))


@pytest.fixture
def staff(log_in: Callable[[User], Caller]) -> Caller:
    return log_in(UserFactory(name="Stella Staff", role="staff"))


@pytest.fixture
def admin(log_in: Callable[[User], Caller]) -> Caller:
    return log_in(UserFactory(name="Ada Admin", role="admin"))


@pytest.fixture
def rates(settings: Any) -> Callable[..., None]:
    """Set rates by scope: `rates(user=3)` is three requests a minute."""

    def to(**limits: int) -> None:
        settings.THROTTLE_RATES = {
            **settings.THROTTLE_RATES,
            **{scope: (limit, 60) for scope, limit in limits.items()},
        }

    return to


@pytest.fixture
def deliver(mailoutbox: list[EmailMessage]) -> Callable[[], list[EmailMessage]]:
    """Drain the outbox as the worker would, and return the emails that were sent."""

    def drain() -> list[EmailMessage]:
        seen = len(mail.outbox)
        outbox.drain()
        return mail.outbox[seen:]

    return drain
