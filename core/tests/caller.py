"""The API client of the tests."""

from typing import Any

from rest_framework.test import APIClient

from core.tests.contract import contradictions


class Caller(APIClient):
    """API client with its user in `caller.user`, None for the anonymous one."""

    user: Any = None

    def request(self, **kwargs: Any) -> Any:
        """Send a request, and check the response against the OpenAPI document."""
        response = super().request(**kwargs)
        found = contradictions(response)
        assert not found, "\n".join(found)
        return response
