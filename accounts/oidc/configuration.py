"""The providers in OIDC_PROVIDERS. Imported by config/settings.py before Django is ready."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from environs import EnvError

from core.web.environment import Environment, read_value
from core.web.service_urls import split_url

VARIABLE = "OIDC_PROVIDERS"
KEY = re.compile(r"[a-z][a-z0-9-]{0,49}")
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")  # RFC 6749, 3.3
MAX_URL = 500
DEFAULT_SCOPES = ("openid", "email", "profile")
PRESETS: dict[str, dict[str, Any]] = {
    "google": {"issuer": "https://accounts.google.com", "name": "Google"},
    "microsoft": {"name": "Microsoft"},  # with `tenant`
}
OPTIONS = frozenset(
    {"issuer", "tenant", "clientId", "clientSecret", "clientSecretFile", "redirectUris", "scopes", "name"}
)
# Administrators of a tenant set any address there, so it proves nothing.
UNVERIFIED_HOSTS = frozenset(
    {
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
        "sts.windows.net",
    }
)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Refuse = Callable[[str, str], None]  # (option, reason)


@dataclass(frozen=True)
class Provider:
    """A provider with which users may sign in. `key` is its name in paths and in the database."""

    key: str
    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...] = DEFAULT_SCOPES

    @property
    def verifies_email(self) -> bool:
        return split_url(self.issuer).hostname not in UNVERIFIED_HOSTS


def oidc_providers(env: Environment) -> dict[str, Provider]:
    """Return the providers by key. Refuse OIDC_PROVIDERS, with every wrong value named."""
    text = env.str(VARIABLE, "") or ""
    problems: list[str] = []
    providers = providers_in(text, env.folder, problems) if text else {}
    if problems:
        env.refuse(VARIABLE, f"is wrong: {'; '.join(problems)}")
    return providers


def providers_in(text: str, folder: Path, problems: list[str]) -> dict[str, Provider]:
    try:
        entries = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        problems.append(f"it is no JSON: {error}")
        return {}
    if not isinstance(entries, dict):
        problems.append('it must look like {"google": {"clientId": "…", …}}')
        return {}
    providers = {key: provider_of(key, entry, folder, problems) for key, entry in entries.items()}
    issuers = [provider.issuer for provider in providers.values()]
    problems += [
        f"{key}.issuer is that of another provider"
        for key, each in providers.items()
        if each.issuer and issuers.count(each.issuer) > 1
    ]
    return providers


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object. Raise ValueError for a key that it has twice."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("an object has a key twice")
    return values


def provider_of(key: str, entry: Any, folder: Path, problems: list[str]) -> Provider:
    """Return the provider, which is incomplete if `problems` got an item."""

    def refuse(option: str, reason: str) -> None:
        problems.append(f"{key[:50]}.{option} {reason}")

    if not KEY.fullmatch(key):
        problems.append(
            f"the name {key[:50]!r} must be of lower-case letters, digits and hyphens, at most 50"
        )
    if not isinstance(entry, dict):
        problems.append(f"{key[:50]} must be an object")
        entry = {}
    values = PRESETS.get(key, {}) | entry
    for option in sorted(values.keys() - OPTIONS):
        refuse(option[:50], f"is unknown: there are {', '.join(sorted(OPTIONS))}")
    return Provider(
        key=key,
        name=text_in(values, "name", refuse, default=key.capitalize()),
        issuer=issuer_in(key, values, refuse),
        client_id=text_in(values, "clientId", refuse),
        client_secret=secret_in(values, folder, refuse),
        redirect_uris=tuple(
            uri for uri in texts_in(values, "redirectUris", refuse) if is_url(uri, "redirectUris", refuse)
        ),
        scopes=scopes_in(values, refuse),
    )


def text_in(values: dict[str, Any], option: str, refuse: Refuse, *, default: str = "") -> str:
    value = values.get(option, default)
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_URL or not value.isprintable():
        refuse(option, f"must be a text of 1 to {MAX_URL} printable characters")
        return ""
    return value


def texts_in(values: dict[str, Any], option: str, refuse: Refuse) -> list[str]:
    value = values.get(option)
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        refuse(option, "must be a list of at least one text")
        return []
    return value


def issuer_in(key: str, values: dict[str, Any], refuse: Refuse) -> str:
    if "tenant" in values:
        return microsoft_issuer(key, values, refuse)
    if key == "microsoft" and "issuer" not in values:
        refuse("tenant", "is missing: the id of the directory")
        return ""
    issuer = text_in(values, "issuer", refuse)
    return issuer if issuer and is_url(issuer, "issuer", refuse, may_have_query=False) else ""


def microsoft_issuer(key: str, values: dict[str, Any], refuse: Refuse) -> str:
    """Return the issuer of one tenant. Those of `common` differ by user, and any organization could sign in."""
    if key != "microsoft" or "issuer" in values:
        refuse("tenant", "is for microsoft only, and in place of issuer")
    tenant = text_in(values, "tenant", refuse)
    try:
        return f"https://login.microsoftonline.com/{UUID(tenant)}/v2.0"
    except ValueError:
        refuse(
            "tenant", "must be the id of one directory, a UUID: common and organizations are not supported"
        )
        return ""


def secret_in(values: dict[str, Any], folder: Path, refuse: Refuse) -> str:
    if "clientSecretFile" not in values:
        return text_in(values, "clientSecret", refuse)
    if "clientSecret" in values:
        refuse("clientSecretFile", "is set, and so is clientSecret: leave one of them out")
        return ""
    path = text_in(values, "clientSecretFile", refuse)
    try:
        return text_in({"clientSecretFile": read_value(folder / path)}, "clientSecretFile", refuse)
    except EnvError as error:
        refuse("clientSecretFile", str(error))
        return ""


def scopes_in(values: dict[str, Any], refuse: Refuse) -> tuple[str, ...]:
    if "scopes" not in values:
        return DEFAULT_SCOPES
    scopes = texts_in(values, "scopes", refuse)
    if scopes and ("openid" not in scopes or not all(SCOPE.fullmatch(scope) for scope in scopes)):
        refuse("scopes", "must hold openid, and each without a space")
    return tuple(scopes)


def is_url(text: str, option: str, refuse: Refuse, *, may_have_query: bool = True) -> bool:
    """Return whether the text is an https URL without a fragment. http is for this machine only, where nobody listens
    on the way."""
    try:
        parts = split_url(text)
        host, _port = parts.hostname, parts.port
    except (EnvError, ValueError):
        host = None
    is_safe = host and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))
    if not is_safe or len(text) > MAX_URL or not text.isprintable() or not text.isascii() or " " in text:
        refuse(option, f"holds {text[:100]!r}, which must look like https://host/path")
        return False
    if "#" in text or "@" in parts.netloc or ("?" in text and not may_have_query):
        refuse(
            option,
            f"holds {text[:100]!r}, which has a fragment, a user name or a query that it must not have",
        )
        return False
    return True
