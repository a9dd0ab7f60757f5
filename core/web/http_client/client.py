"""Calls of other services: retries, redirects, the circuit breaker, one log line and the metrics of each call."""

import random
import re
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urljoin

import orjson
import structlog
from django.conf import settings
from urllib3 import HTTPHeaderDict, Retry
from urllib3.exceptions import InvalidHeader

from core.web import metrics
from core.web import request_context as context
from core.web.http_client.addresses import Resolve, Target, is_public, refuse_private
from core.web.http_client.breaker import Breakers
from core.web.http_client.errors import CircuitOpen, ConnectFailed, OutgoingError, UrlRefused
from core.web.http_client.exchange import ConnectTimedOut, Deadline, Limits, Response, exchange
from core.web.resolver import resolver

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110, 9.2.2
OVERLOADED = frozenset({429, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
FIRST_DELAY, MAX_DELAY = 0.5, 8.0  # seconds; the upper ends of the random waits
# What a redirect to another origin keeps: any other header may be a credential.
HARMLESS = frozenset({"accept", "accept-language", "content-type", "user-agent", "x-request-id"})
NO_TOKEN = re.compile(r"[^A-Za-z0-9.-]+")  # what a product in `User-Agent` must not contain

log = structlog.get_logger(__name__)


class HttpClient:
    """A client for one integration. Threads may share it.

    Only public addresses are requested, unless `allow_private`: for a URL that the operator has set, never for one of a
    user. `resolve`, `permits` and `tls` replace the lookup of names, the check of an address and the authorities.
    """

    def __init__(
        self,
        name: str,
        *,
        limits: Limits | None = None,
        allow_private: bool = False,
        failures: int = 5,
        open_seconds: float = 30.0,
        resolve: Resolve = resolver.addresses_of,
        permits: Callable[[str], bool] = is_public,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`name` is the label in logs and metrics. After so many `failures` in a row a host is not tried for
        `open_seconds`."""
        self.name, self.limits, self.allow_private = name, limits or Limits(), allow_private
        self.breakers = Breakers(failures, open_seconds)
        self.resolve, self.permits, self.given_tls = resolve, permits, tls

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return self.given_tls or ssl.create_default_context()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        json: Any = None,
        retries: int = 0,
        retry_unsafe: bool = False,
        redirects: int = 0,
        limits: Limits | None = None,
    ) -> Response:
        """Return the response, of any status. Raises OutgoingError.

        A call is repeated up to `retries` times after a lost connection, a time-out, and 429, 502, 503 or 504; a POST
        or PATCH only if `retry_unsafe`, or if nothing of it was sent. At most so many `redirects` are followed; with 0
        a redirect is a response like any other.
        """
        call = Call(self, method.upper(), limits or self.limits, redirects)
        call.repeatable = retry_unsafe or call.method in IDEMPOTENT
        sent = with_defaults(headers or {}, json)
        body = orjson.dumps(json) if json is not None else body
        try:
            response = call.attempt_until(retries, url, sent, body)
            call.outcome, call.status = f"{response.status // 100}xx", response.status
            return response
        except OutgoingError as error:
            call.outcome = error.outcome
            raise
        finally:
            call.report()


def with_defaults(headers: Mapping[str, str], json: Any) -> HTTPHeaderDict:
    name = NO_TOKEN.sub("-", settings.PRODUCT_NAME).strip("-") or "client"
    sent = HTTPHeaderDict({"User-Agent": f"{name}/{settings.VERSION}", "Accept-Encoding": "identity"})
    if json is not None:
        sent["Content-Type"] = "application/json"
    if request_id := context.current.get().request_id:
        sent["X-Request-ID"] = request_id
    for header, value in headers.items():
        sent[header] = value
    return sent


class Call:
    """One call with its attempts, and the fields of its log line."""

    def __init__(self, client: HttpClient, method: str, limits: Limits, redirects: int) -> None:
        self.client, self.method, self.limits, self.redirects = client, method, limits, redirects
        self.started, self.deadline = time.monotonic(), Deadline(limits.total)
        self.repeatable, self.attempts, self.outcome = False, 0, "interrupted"
        self.origin: str | None = None
        self.status: int | None = None

    def attempt_until(self, retries: int, url: str, headers: HTTPHeaderDict, body: bytes | None) -> Response:
        """Return the response of the first attempt that is not to be repeated."""
        while True:
            self.attempts += 1
            is_last = self.attempts > retries
            try:
                response = self.follow(url, headers, body)
                if is_last or not self.repeatable or response.status not in OVERLOADED:
                    return response
                if not self.wait(retry_after(response)):
                    return response
            except OutgoingError as error:
                may_repeat = error.is_temporary and (self.repeatable or not error.was_sent)
                if is_last or not may_repeat or not self.wait(None):
                    raise

    def wait(self, seconds: float | None) -> bool:
        """Wait before the next attempt: for these seconds of `Retry-After`, else a random time ("full jitter"). Return
        False at once if the call would end before."""
        longest = min(MAX_DELAY, FIRST_DELAY * 2 ** (self.attempts - 1))
        delay = random.uniform(0, longest) if seconds is None else seconds  # noqa: S311 - no secret
        if delay >= self.deadline.remaining:
            return False
        time.sleep(delay)
        return True

    def follow(self, url: str, headers: HTTPHeaderDict, body: bytes | None) -> Response:
        """Send the request, and follow its redirects."""
        method, target = self.method, self.target_of(url)
        for left in range(self.redirects, -1, -1):
            response = self.send(target, method, headers, body)
            location = response.headers.get("Location")
            if response.status not in REDIRECTS or location is None or self.redirects == 0:
                return response
            if left == 0:
                raise UrlRefused(f"More than {self.redirects} redirects.")
            try:
                url = urljoin(response.url, location)
            except ValueError as error:
                raise UrlRefused("The address of a redirect cannot be parsed.") from error
            target, before = self.target_of(url), target
            if before.scheme == "https" and target.scheme == "http":
                raise UrlRefused("A redirect from https to http is not followed.")
            if response.status in {301, 302, 303} and method not in {"GET", "HEAD"}:
                method, body = "GET", None
            if target.origin != before.origin:
                if body is not None:
                    raise UrlRefused("A redirect of a body to another origin is not followed.")
                harmless = {name: value for name, value in headers.items() if name.lower() in HARMLESS}
                headers = HTTPHeaderDict({**harmless, "Accept-Encoding": "identity"})
        raise AssertionError  # the loop returns or raises

    def target_of(self, url: str) -> Target:
        target = Target.of(url, any_port=self.client.allow_private)
        self.origin = target.origin
        return target

    def send(self, target: Target, method: str, headers: HTTPHeaderDict, body: bytes | None) -> Response:
        """Send one request, if the circuit of its origin permits."""
        breaker = self.client.breakers.of(target.origin)
        if not breaker.permits():
            raise CircuitOpen(f"{target.host} has failed within the last seconds.")
        try:
            response = exchange(
                target,
                method,
                headers=headers,
                body=body,
                addresses=self.addresses_of(target),
                limits=self.limits,
                deadline=self.deadline,
                tls=self.client.tls,
            )
        except OutgoingError as error:
            if error.is_temporary and breaker.failed():
                log.warning("outgoing_circuit_open", integration=self.client.name, origin=target.origin)
            raise
        if response.status not in {502, 503, 504}:
            breaker.succeeded()
        elif breaker.failed():
            log.warning("outgoing_circuit_open", integration=self.client.name, origin=target.origin)
        return response

    def addresses_of(self, target: Target) -> list[str]:
        """Return the addresses that are connected to: no other lookup follows the check."""
        try:
            addresses = self.client.resolve(target.host, self.deadline.within(self.limits.connect))
        except TimeoutError as error:
            raise ConnectTimedOut(f"The lookup of {target.host} takes too long.") from error
        except OSError as error:
            raise ConnectFailed(f"{target.host} has no address.") from error
        if not self.client.allow_private:
            refuse_private(target, addresses, self.client.permits)
        return addresses

    def report(self) -> None:
        seconds = time.monotonic() - self.started
        metrics.outgoing_total.labels(self.client.name, self.outcome).inc()
        metrics.outgoing_seconds.labels(self.client.name).observe(seconds)
        log.info(
            "outgoing_request",
            integration=self.client.name,
            method=self.method,
            origin=self.origin,
            status=self.status,
            outcome=self.outcome,
            attempts=self.attempts,
            duration=round(seconds * 1000, 1),
        )


def retry_after(response: Response) -> float | None:
    """Return the seconds in `Retry-After`, or None without a valid one."""
    text = response.headers.get("Retry-After", "")
    try:
        return Retry().parse_retry_after(text) if text else None
    except (InvalidHeader, ValueError):  # a number of thousands of digits
        return None
