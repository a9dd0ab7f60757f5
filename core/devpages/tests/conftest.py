import pytest
from django.conf import settings as configured
from django.test import Client

from core.devpages import recording, records

BACKEND = "core.devpages.emails.RecordingBackend"


@pytest.fixture
def development(settings):
    """Serve as with DEBUG, without records of other tests. The settings of the tests are read with DEBUG."""
    assert recording.handle.__module__ in configured.REST_FRAMEWORK["EXCEPTION_HANDLER"]
    settings.DEBUG, settings.ROOT_URLCONF = True, "core.devpages.tests.urls"
    settings.EMAIL_BACKEND = BACKEND
    records.path().unlink(missing_ok=True)
    yield
    records.path().unlink(missing_ok=True)


@pytest.fixture
def developer(development):
    return Client(raise_request_exception=False)


@pytest.fixture
def last_request(developer):
    """Return a function that returns the page of the newest request as text."""

    def page():
        [newest, *_] = records.newest(recording.KIND)
        response = developer.get(f"/dev/requests/{newest.id}")
        assert response.status_code == 200
        return response.content.decode()

    return page
