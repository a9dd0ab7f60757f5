"""The variables of `make load`."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

SCENARIOS = {"mixed": "Mixed", "logins": "Logins", "search": "Search", "uploads": "Uploads"}
MAX_USERS, MAX_SECONDS, MAX_P95_MS = 10_000, 3600, 600_000
PATTERN = "{}"  # of ACCOUNTS: becomes 1, 2, …


class Refused(Exception):
    """A run that is not started, with what to change."""


@dataclass(frozen=True)
class Options:
    host: str
    users: int
    spawn_rate: int  # users a second
    seconds: int
    scenario: str
    report: Path
    accounts: str  # a pattern of addresses that exist; empty: the run registers its own
    password: str
    p95_ms: int | None

    @property
    def command(self) -> str:
        """The command of this run, without a password."""
        limit = f" P95_MS={self.p95_ms}" if self.p95_ms else ""
        accounts = f" ACCOUNTS='{self.accounts}' PASSWORD=…" if self.accounts else ""
        return (
            f"make load HOST={self.host} USERS={self.users} SPAWN_RATE={self.spawn_rate} "
            f"DURATION={self.seconds} SCENARIO={self.scenario}{accounts}{limit}"
        )


def whole(variables: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = variables.get(name) or str(default)
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= most:
        raise Refused(f"{name} must be a whole number from 1 to {most}, not {text!r}.")
    return int(text)


def is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def host_of(variables: Mapping[str, str]) -> str:
    """Return the server, if it is on this machine or its operator has confirmed the run."""
    text = variables.get("HOST", "").rstrip("/")
    try:
        url = urlsplit(text)
        has_path = bool(url.path or url.query or url.fragment or url.username)
        is_server = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0 and not has_path
    except ValueError:
        is_server = False
    if not is_server:
        raise Refused(f"HOST must be a server such as http://127.0.0.1:8000, not {text!r}.")
    if not is_loopback(url.hostname or "") and variables.get("CONFIRM") != "yes":
        raise Refused(
            f"{url.hostname} is not this machine, and load on a server of somebody else is an attack: "
            "set CONFIRM=yes if the server is yours and may be loaded."
        )
    return text


def accounts_of(variables: Mapping[str, str]) -> tuple[str, str]:
    pattern, password = variables.get("ACCOUNTS", ""), variables.get("PASSWORD", "")
    if not pattern:
        return "", ""
    if pattern.count(PATTERN) != 1 or not password:
        raise Refused("ACCOUNTS must contain {} once, as in user-{}@example.com, and needs PASSWORD.")
    return pattern, password


def read(variables: Mapping[str, str], now: datetime) -> Options:
    """Return the options of a run. Raise Refused if a variable is wrong."""
    host = host_of(variables)
    scenario = variables.get("SCENARIO") or "mixed"
    if scenario not in SCENARIOS:
        raise Refused(f"SCENARIO must be one of {', '.join(SCENARIOS)}, not {scenario!r}.")
    users = whole(variables, "USERS", 100, MAX_USERS)
    accounts, password = accounts_of(variables)
    folder = variables.get("REPORT") or f"var/load/{now:%Y-%m-%d-%H%M%S}-{scenario}"
    return Options(
        host=host,
        users=users,
        spawn_rate=whole(variables, "SPAWN_RATE", max(1, users // 10), MAX_USERS),
        seconds=whole(variables, "DURATION", 60, MAX_SECONDS),
        scenario=scenario,
        report=Path(folder),
        accounts=accounts,
        password=password,
        p95_ms=whole(variables, "P95_MS", 1, MAX_P95_MS) if variables.get("P95_MS") else None,
    )
