from contextlib import contextmanager
from datetime import UTC, datetime

import bcrypt
import pytest
from django.db import connection

from accounts.services.accounts import delete_account
from accounts.tests.checks import token_in
from accounts.tests.factories import UserFactory
from core.tests.office import allow, browser_of


@pytest.fixture
def clock(time_machine):
    """Stop the time; `clock.shift(seconds or timedelta)` moves it. Request it before the fixtures of callers."""
    time_machine.move_to(datetime.now(UTC).replace(microsecond=0), tick=False)
    return time_machine


@pytest.fixture
def emailed_token(deliver):
    """Return a function that delivers one email, to this address, and returns the token of its link."""

    def open_email(address):
        [message] = deliver()
        assert message.to == [address]
        return token_in(message)

    return open_email


class Hashes:
    """Counter of the runs of the slow hash."""

    def __init__(self):
        self.runs = []
        self.original = bcrypt.hashpw

    def __call__(self, password, salt):
        self.runs.append(len(password))  # from any thread: appending is atomic
        return self.original(password, salt)

    @property
    def count(self):
        return len(self.runs)


@pytest.fixture
def hashes(monkeypatch):
    counter = Hashes()
    monkeypatch.setattr(bcrypt, "hashpw", counter)
    return counter


@pytest.fixture
def just_before(db):
    """Yield a context manager that runs a function between a read and the write whose statement begins so."""

    @contextmanager
    def interleave(beginning, act):
        waiting = [act]

        def run(execute, sql, params, many, context):
            if waiting and sql.startswith(beginning):
                waiting.pop()()
            return execute(sql, params, many, context)

        with connection.execute_wrapper(run):
            yield
        assert not waiting, "the statement was never sent"

    return interleave


@pytest.fixture
def helpdesk(staff):
    """Return the browser of a member of staff who may only unlock, send reset links and end sessions."""
    codes = ("view_user", "unlock_user", "send_reset_link_user", "end_sessions_user")
    return browser_of(allow(staff.user, *(f"accounts.{code}" for code in codes)))


@pytest.fixture
def gone(admin):
    """Return a user whom an admin has deleted."""
    user = UserFactory()
    delete_account(user=user, actor=admin.user)
    return user
