import pytest

from core import outbox


@pytest.fixture
def rates(settings):
    def to(**limits):
        settings.THROTTLE_RATES = {
            **settings.THROTTLE_RATES,
            **{scope: (limit, 60) for scope, limit in limits.items()},
        }

    return to


@pytest.fixture
def handled(monkeypatch):
    """What the kind `test.kept` was given; set `handled.error` and it is kept no longer."""

    class Handled(list):
        error = None

    calls = Handled()

    def keep(message):
        calls.append(message.payload)
        if calls.error is not None:
            raise calls.error

    monkeypatch.setitem(outbox.handlers, "test.kept", keep)
    return calls
