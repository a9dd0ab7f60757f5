import pytest

from accounts.mfa.tests.devices import enrolled
from accounts.tests.conftest import just_before  # noqa: F401 - a fixture
from accounts.tests.factories import UserFactory


@pytest.fixture
def clock(time_machine):
    """Stop the time at the beginning of a step; `clock.shift(seconds)` moves it."""
    time_machine.move_to(1_800_000_000, tick=False)
    return time_machine


@pytest.fixture
def phone(clock, log_in):
    """Return the authenticator app of a logged-in user, with the caller and the recovery codes."""
    return enrolled(log_in(UserFactory(email="mia@example.com", name="Mia Factor")))
