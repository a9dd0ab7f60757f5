import pytest

from core.tests.factories import WebhookFactory
from core.webhooks.tests.receiver import receiver


@pytest.fixture
def inside(settings):
    """Allow endpoints on loopback."""
    settings.WEBHOOK_ALLOW_PRIVATE = True


@pytest.fixture
def endpoint(inside):
    with receiver() as service:
        yield service


@pytest.fixture
def webhook(owner, endpoint):
    return WebhookFactory(user=owner.user, url=endpoint.url)
