"""The accounts of a run, each with some resources. They are made before the measurement, and are not part of it."""

import secrets
from dataclasses import dataclass, field
from typing import Any

import gevent
import requests
from gevent.pool import Pool

from benchmarks.load_test.options import PATTERN, Options, Refused

AT_ONCE = 4  # a password hash takes a core
RESOURCES = 25
WORDS = ("budget", "venue", "harbour", "minutes", "invoice", "train", "garden", "winter")
TIMEOUT_SECONDS, SETUP_SECONDS = 30, 1200
ATTEMPTS, MAX_WAIT_SECONDS = 30, 5
HINTS = {
    "REGISTRATION_CLOSED": (
        "Use accounts that exist: `manage.py seed --users N` of a development server makes user-1@example.com …, "
        "for ACCOUNTS='user-{}@example.com' PASSWORD=Try-it-0ut-now."
    ),
    "EMAIL_UNVERIFIED": "Use accounts with verified addresses, by ACCOUNTS and PASSWORD.",
    "INVALID_CREDENTIALS": "ACCOUNTS with 1, 2, … up to USERS must all exist, with the same PASSWORD.",
    "RATE_LIMITED": (
        "Raise the limits of that server for the run, e.g. THROTTLE_AUTH=100000/min THROTTLE_USER=100000/min "
        "THROTTLE_ANON=100000/min."
    ),
}


@dataclass
class Account:
    """A user of the server with the tokens of one session."""

    email: str
    password: str
    access: str = ""
    refresh: str = ""
    resources: list[str] = field(default_factory=list)  # ids


class Setup:
    """The requests that make the accounts ready."""

    def __init__(self, chosen: Options) -> None:
        self.chosen = chosen
        self.password = chosen.password or f"Load-{secrets.token_urlsafe(12)}-1a"
        self.run = secrets.token_hex(4)
        self.http = requests.Session()
        self.http.trust_env = False  # a proxy would be a second target

    def send(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """Return the data of the response. A server that is busy gets the request again."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        for _attempt in range(ATTEMPTS):
            response = self.http.request(
                method,
                f"{self.chosen.host}/api/v1{path}",
                json=body,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
            if response.status_code != 503:
                break
            gevent.sleep(wait_of(response, MAX_WAIT_SECONDS))
        try:
            content = response.json()
            if response.ok and content["success"]:
                return content["data"]
            code, message = content["error"]["code"], content["error"]["message"]
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(
                f"{method} {path}: {response.status_code} without the envelope of the API."
            ) from error
        hint = HINTS.get(code, str(content["error"].get("details") or ""))
        raise Refused(f"{method} {path}: {response.status_code} {code}: {message} {hint}")

    def version(self) -> str:
        """Return the version of the server, by its OpenAPI document."""
        response = self.http.get(
            f"{self.chosen.host}/api/v1/schema",
            headers={"Accept": "application/json"},
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )
        try:
            return str(response.json()["info"]["version"])
        except (ValueError, KeyError, TypeError):
            return "unknown"

    def account(self, number: int) -> Account:
        if self.chosen.accounts:
            email, path = self.chosen.accounts.replace(PATTERN, str(number)), "/auth/login"
            body = {"email": email, "password": self.password}
        else:
            email, path = f"load-{self.run}-{number}@example.com", "/auth/register"
            body = {"email": email, "password": self.password, "name": f"Load {number}"}
        tokens = self.send("POST", path, body)["tokens"]
        made = Account(email, self.password, tokens["accessToken"], tokens["refreshToken"])
        rows = self.send("GET", f"/resources?fields=id&limit={RESOURCES}", token=made.access)
        if missing := RESOURCES - len(rows):
            operations = [{"method": "create", "data": resource(index)} for index in range(missing)]
            self.send("POST", "/resources/bulk", {"operations": operations}, made.access)
            rows = self.send("GET", f"/resources?fields=id&limit={RESOURCES}", token=made.access)
        made.resources = [row["id"] for row in rows]
        return made


def wait_of(response: Any, most: int) -> int:
    """Return the seconds of `Retry-After`, bounded. A date, which a proxy may send, counts as a second."""
    text = (response.headers or {}).get("Retry-After") or ""
    return min(int(text), most) if text.isascii() and text.isdigit() else 1


def resource(number: int) -> dict[str, Any]:
    """Return a new resource. Its words are the ones that searches name."""
    word, other = WORDS[number % len(WORDS)], WORDS[(number + 3) % len(WORDS)]
    return {
        "title": f"A note about the {word}, number {number}",
        "content": f"Agreed: the {word}, the {other}, and who calls whom about it. " * 8,
        "tags": ["load", word],
    }


def prepare(chosen: Options) -> tuple[str, list[Account]]:
    """Return the server's version and an account for each user. Raise Refused if the server does not permit it."""
    setup = Setup(chosen)
    try:
        with gevent.Timeout(SETUP_SECONDS):
            return setup.version(), list(Pool(AT_ONCE).imap(setup.account, range(1, chosen.users + 1)))
    except requests.RequestException as error:
        raise Refused(f"No response from {chosen.host}: {error}") from error
    except gevent.Timeout as error:
        raise Refused(f"The accounts were not ready in {SETUP_SECONDS} seconds: use fewer USERS.") from error
