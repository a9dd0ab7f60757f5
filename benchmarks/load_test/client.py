"""A virtual user: it sends requests with its token, refreshes it, and checks every response."""

from collections.abc import Callable
from typing import Any

import gevent
from locust import FastHttpUser
from locust.exception import StopUser

from benchmarks.load_test.accounts import Account, wait_of

API = "/api/v1"
REFRESH = "/auth/refresh"
MAX_WAIT_SECONDS = 10
LIMITED = "429"  # the method of the rows that count refusals by a rate limit
waiting: list[Account] = []  # accounts that no virtual user has yet

Check = Callable[[Any], bool]


def pieces(content: Any, *names: str) -> bool:
    return isinstance(content, dict) and all(name in content for name in names)


class Visitor(FastHttpUser):
    """A virtual user with an account of its own, on a connection of its own."""

    abstract = True
    connection_timeout = 10.0
    network_timeout = 30.0
    account: Account

    def on_start(self) -> None:
        if not waiting:
            raise StopUser
        self.account = waiting.pop()
        self.etags: dict[str, str] = {}  # by path

    def call(
        self,
        method: str,
        path: str,
        *,
        name: str = "",
        expected: int = 200,
        check: Check = bool,
        **options: Any,
    ) -> Any:
        """Return the envelope of the response, or None if it is not as expected, which counts as a failure.

        `name` is the route in the statistics. An expired token is refreshed, once, and the request sent again.
        """
        route = f"{API}{name or path}"
        for is_last in (False, True):
            status, content = self.exchange(method, path, route, expected, check, **options)
            if status != 401 or is_last or not self.refreshed():
                return content
        return None

    def exchange(
        self,
        method: str,
        path: str,
        route: str,
        expected: int,
        check: Check,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> tuple[int, Any]:
        sent = {"Authorization": f"Bearer {self.account.access}"} | (headers or {})
        wait = 0
        with self.client.request(
            method,
            API + path,
            name=route,
            headers=sent,
            catch_response=True,
            allow_redirects=False,
            **options,
        ) as response:
            status = response.status_code
            content = envelope(response)
            if status == expected and is_valid(status, response, content, check):
                response.success()
                self.remember(path, response)
                return status, content
            if status == 429:
                response.request_meta["request_type"] = LIMITED
                response.success()
                wait = wait_of(response, MAX_WAIT_SECONDS)
            elif status == 401 and code_of(content) == "TOKEN_EXPIRED":
                response.request_meta["name"] = f"{route} (token expired)"
                response.success()
            else:
                response.failure(problem(status, expected, content))
                status = 0 if status == 401 else status  # a refresh would be of no use
        gevent.sleep(wait)
        return status, None

    def remember(self, path: str, response: Any) -> None:
        if etag := (response.headers or {}).get("ETag"):
            self.etags[path] = etag

    def refreshed(self) -> bool:
        """Get new tokens. A refresh token that was used once is never sent again."""
        status, content = self.exchange(
            "POST",
            REFRESH,
            API + REFRESH,
            200,
            lambda content: pieces(content["data"]["tokens"], "accessToken", "refreshToken"),
            json={"refreshToken": self.account.refresh},
        )
        if content is None:
            return False
        self.take(content["data"]["tokens"])
        return status == 200

    def take(self, tokens: dict[str, str]) -> None:
        self.account.access, self.account.refresh = tokens["accessToken"], tokens["refreshToken"]


def envelope(response: Any) -> Any:
    """Return the body as JSON, or None."""
    try:
        return response.json() if response.content else None
    except ValueError:
        return None


def code_of(content: Any) -> str:
    try:
        return str(content["error"]["code"])
    except (KeyError, TypeError):
        return ""


def is_valid(status: int, response: Any, content: Any, check: Check) -> bool:
    """Return whether the body is right: none with a 204 and a 304, else the envelope with the data expected."""
    if status in {204, 304}:
        return not response.content
    try:
        return content["success"] is True and "data" in content and check(content)
    except (KeyError, TypeError):
        return False


def problem(status: int, expected: int, content: Any) -> str:
    """Describe a failure without values that differ each time, as Locust counts equal ones."""
    if status == 0:
        return "no response"
    if status == expected:
        return f"{status} with another content than expected"
    return f"{status} {code_of(content)} in place of {expected}"
