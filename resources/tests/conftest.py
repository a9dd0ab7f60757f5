"""Uploads of attachments, as fixtures."""

import pytest

from accounts.tests.conftest import clock  # noqa: F401 - a fixture
from config.tests.conftest import call  # noqa: F401
from core.tests import samples
from resources.tests.factories import ResourceFactory


@pytest.fixture
def attach(disk, owner):
    """Return a function that sends these bytes under this name."""
    path = f"/api/v1/resources/{ResourceFactory(user=owner.user).pk}/attachments"

    def send(content, name="file.bin", content_type="application/octet-stream"):
        return owner.post(path, samples.upload(content, name, content_type), format="multipart")

    return send


@pytest.fixture
def reencoded(disk, attach):
    """Return a function that sends these bytes and returns the picture and the thumbnail that are stored."""

    def send(content):
        response = attach(content)
        assert response.status_code == 201, response.content
        data = response.json()["data"]
        return tuple(samples.opened(disk.fetch(data[name])[2]) for name in ("url", "thumbnailUrl"))

    return send
