"""A session on top of the generated client: it refreshes its tokens, and repeats what may be repeated."""

import json
import random
import threading
import time
from collections.abc import Callable, Generator
from typing import NamedTuple
from uuid import uuid4

import httpx
from api_client import AuthenticatedClient

ATTEMPTS = 4
MAX_WAIT_SECONDS = 30
TIMEOUT = httpx.Timeout(30)  # of one attempt, for each of its steps
# Within the ten seconds in which the server takes the same refresh token again, and not for a stolen one.
REFRESH_SECONDS = 8
REFRESH_TIMEOUT = httpx.Timeout(3)
REPEATABLE = {"GET", "HEAD", "OPTIONS"}
REFRESH = "/api/v1/auth/refresh"


def new_key() -> str:
    """Return an `Idempotency-Key`, which makes a POST repeatable; a new one for each thing that is to happen once."""
    return str(uuid4())


class Pair(NamedTuple):
    access: str
    refresh: str


class Session(httpx.Auth):
    """The tokens of one log-in, which a request with an expired one refreshes, once for all threads.

    `store` gets each new pair before it is used, and None when the session has ended. Where it fails, so does the
    request, and the next one stores the pair again. Another server, such as that of a file, gets no token.
    """

    requires_response_body = True

    def __init__(
        self, base_url: str, pair: Pair, store: Callable[[Pair | None], None] = lambda _pair: None
    ) -> None:
        self.server = httpx.URL(base_url)
        self.pair: Pair | None = pair
        self.store, self.is_stored = store, True
        self.lock = threading.Lock()

    def end(self) -> None:
        """Drop the tokens, after a log-out. A refresh that is under way does not bring them back."""
        with self.lock:
            self.replace(None)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if not self.is_mine(request.url):
            yield authorized(request, None)
            return
        with self.lock:
            if not self.is_stored:
                self.save()
            used = self.pair
        response = yield authorized(request, used)
        if used is None or not self.is_mine(response.url) or code_of(response) != "TOKEN_EXPIRED":
            return
        with self.lock:
            if self.pair is used:
                body = {"refreshToken": used.refresh}
                timeout = {"timeout": REFRESH_TIMEOUT.as_dict()}
                refreshed = yield httpx.Request(
                    "POST", self.server.join(REFRESH), json=body, extensions=timeout
                )
                self.take(refreshed)
            pair = self.pair
        # Also where the refresh has failed: httpx returns the last response, which would be that of the refresh.
        yield authorized(request, pair)

    def is_mine(self, url: httpx.URL) -> bool:
        return (url.scheme, url.host, url.port) == (self.server.scheme, self.server.host, self.server.port)

    def take(self, response: httpx.Response) -> None:
        if response.is_success:
            tokens = response.json()["data"]["tokens"]
            self.replace(Pair(tokens["accessToken"], tokens["refreshToken"]))
        elif response.status_code == 401:
            self.replace(None)

    def replace(self, pair: Pair | None) -> None:
        self.pair, self.is_stored = pair, False  # first: if it cannot be stored, it must not be lost as well
        self.save()

    def save(self) -> None:
        self.store(self.pair)
        self.is_stored = True


def authorized(request: httpx.Request, pair: Pair | None) -> httpx.Request:
    if pair is None:
        request.headers.pop("Authorization", None)
    else:
        request.headers["Authorization"] = f"Bearer {pair.access}"
    return request


class Repeating(httpx.BaseTransport):
    """Sends a request again, after a lost connection or when the server names a time, where that cannot do it twice."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self.transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        began = time.monotonic()
        for attempt in range(1, ATTEMPTS):
            failure: httpx.TransportError | None = None
            try:
                response = self.transport.handle_request(request)
                response.read()
                seconds = waiting(request, response)
            except httpx.TransportError as error:
                failure = error
                seconds = 2**attempt * random.uniform(0.25, 0.5)  # noqa: S311 - spreads the clients
            if failure and not is_repeatable(request):
                raise failure
            late = request.url.path == REFRESH and time.monotonic() - began + (seconds or 0) > REFRESH_SECONDS
            if failure and late:
                raise failure
            if seconds is None or late:
                return response
            time.sleep(seconds)
        return self.transport.handle_request(request)

    def close(self) -> None:
        self.transport.close()


def is_repeatable(request: httpx.Request) -> bool:
    return request.method in REPEATABLE or "Idempotency-Key" in request.headers or request.url.path == REFRESH


def waiting(request: httpx.Request, response: httpx.Response) -> float | None:
    """Return the seconds to wait before the request is sent again, or None. After a 429 nothing has happened."""
    after = response.headers.get("Retry-After", "")
    is_refused = (
        response.status_code == 429
        or (response.status_code == 503 and is_repeatable(request))
        or (response.status_code == 409 and code_of(response) == "IDEMPOTENCY_IN_PROGRESS")
    )
    return int(after) if is_refused and after.isdecimal() and int(after) <= MAX_WAIT_SECONDS else None


def code_of(response: httpx.Response) -> str | None:
    """Return the code of an error, or None."""
    if response.is_success:
        return None
    try:
        error = response.json()["error"]["code"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        return None
    return error if isinstance(error, str) else None


def connect(base_url: str, session: Session) -> AuthenticatedClient:
    """Return a generated client of this session, which repeats and has time limits."""
    arguments = {"auth": session, "transport": Repeating(httpx.HTTPTransport())}
    token = "set for each request"  # noqa: S105
    return AuthenticatedClient(base_url=base_url, token=token, timeout=TIMEOUT, httpx_args=arguments)
