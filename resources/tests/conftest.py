from accounts.tests.conftest import clock  # noqa: F401 - a fixture
from config.tests.conftest import call  # noqa: F401
