import pytest


@pytest.fixture
def rates(settings):
    def to(**limits):
        settings.THROTTLE_RATES = {
            **settings.THROTTLE_RATES,
            **{scope: (limit, 60) for scope, limit in limits.items()},
        }

    return to
