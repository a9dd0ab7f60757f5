"""Smoke test of a release: the product is there, in this version, and refuses what it must.

    python3 .ci/smoke.py https://api.example.com --version 0.1.0

It reads, and writes nothing. `--behind-tls HOST` speaks to a server directly, as a proxy with TLS would.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from typing import NamedTuple

TIMEOUT_SECONDS = 30


class Response(NamedTuple):
    status: int
    headers: Message
    body: bytes


class Site:
    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url, self.headers = url.rstrip("/"), headers
        self.is_secure = url.startswith("https://") or "X-Forwarded-Proto" in headers

    def get(self, path: str) -> Response:
        request = urllib.request.Request(f"{self.url}{path}", headers=self.headers)  # noqa: S310 - the operator's URL
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                return Response(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Response(error.code, error.headers, error.read())


def wait_until_ready(site: Site, seconds: float) -> str:
    """Wait for a release that has just begun, and return its readiness."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            response = site.get("/health/ready")
            problem = f"/health/ready is {response.status}: {response.body[:500]!r}"
            if response.status == 200:
                return str(json.loads(response.body)["status"])
        except OSError as error:
            problem = f"/health/ready: {error}"
        if time.monotonic() > deadline:
            raise AssertionError(problem)
        time.sleep(1)


def check_version(site: Site, version: str) -> None:
    served = json.loads(site.get("/health/live").body)["version"]
    assert not version or served == version, f"version {served} is served, not {version}"


def check_documentation(site: Site) -> None:
    page, schema = site.get("/api/docs"), site.get("/api/v1/schema")
    assert page.status == 200, f"the documentation is {page.status}"
    assert "Content-Security-Policy" in page.headers, "the documentation has no Content-Security-Policy"
    assert schema.status == 200, f"the schema is {schema.status}"
    assert b"openapi" in schema.body[:200], "the schema is no OpenAPI document"


def check_refusal(site: Site) -> None:
    response = site.get("/api/v1/users/me")
    assert response.status == 401, f"/api/v1/users/me without a token is {response.status}, not 401"
    assert json.loads(response.body)["error"]["code"], "the refusal is not in the form of an error"
    assert response.headers.get("X-Request-ID"), "the refusal has no X-Request-ID"


def check_headers(site: Site) -> None:
    headers = site.get("/").headers
    assert headers.get("X-Content-Type-Options") == "nosniff", "the home page has no nosniff"
    if site.is_secure:
        assert "max-age=" in headers.get("Strict-Transport-Security", ""), "HTTPS responses have no HSTS"


def check_metrics(site: Site) -> None:
    status = site.get("/metrics").status
    assert status in {401, 403, 404}, f"/metrics is {status} for everybody"


CHECKS: list[Callable[[Site], None]] = [check_documentation, check_refusal, check_headers, check_metrics]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("--version", default="", help="the version that must be served")
    parser.add_argument(
        "--behind-tls", metavar="HOST", help="send this Host and the header of a proxy with TLS"
    )
    parser.add_argument(
        "--wait", type=float, default=60, metavar="SECONDS", help="for the readiness; default: 60"
    )
    given = parser.parse_args()
    headers = {"Host": given.behind_tls, "X-Forwarded-Proto": "https"} if given.behind_tls else {}
    site, failures = Site(given.url, headers), 0
    try:
        print(f"ready: {wait_until_ready(site, given.wait)}")
        check_version(site, given.version)
    except AssertionError as error:
        print(f"FAILED {error}")
        return 1
    for check in CHECKS:
        name = check.__name__.removeprefix("check_")
        try:
            check(site)
            print(f"ok     {name}")
        except (AssertionError, KeyError, ValueError, OSError) as error:
            failures += 1
            print(f"FAILED {name}: {error}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
