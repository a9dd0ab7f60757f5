"""Parsers of environment variables, and one message that lists every invalid variable.

Imported by config/settings.py before Django is ready, so this module uses neither models nor settings.
"""

import os
import re
from email.errors import ObsoleteHeaderDefect
from email.policy import default as default_policy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.mail.message import sanitize_address
from django.core.validators import validate_email
from environs import Env, EnvError, EnvValidationError, validate

from core.web.service_urls import parse_broker, parse_database, parse_redis, parse_replica, split_url

PERIOD_SECONDS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
RATE = re.compile(r"(?P<limit>\d{1,7})/(?P<count>\d{0,4})(?P<unit>[a-z]+)")

KMS = "aws:kms"
ENCRYPTIONS = ("AES256", KMS)
LOG_FORMATS = ("json", "console")
MAX_FILE_BYTES = 64 * 1024  # of the value of a variable

EXAMPLE_SECRETS = ("change-me", "changeme", "example", "insecure", "your-secret", "secret-key")
MIN_SECRET_LENGTH = 50

PURPOSES = {
    "SECRET_KEY": "it signs tokens and cookies; make one with"
    " `python -c 'import secrets; print(secrets.token_urlsafe(50))'`",
    "ALLOWED_HOSTS": "the host names of this server, comma-separated, e.g. api.example.com",
}


def parse_rate(text: str) -> tuple[int, int]:
    """Return a number of requests and a window in seconds: `100/15min` as (100, 900)."""
    match = RATE.fullmatch(text.strip())
    limit, period = 0, 0
    if match is not None:
        limit, period = int(match["limit"]), int(match["count"] or 1) * PERIOD_SECONDS.get(match["unit"], 0)
    if limit == 0 or period == 0:  # a window of no length counts nothing
        raise EnvError("must look like 100/min, 100/15min, 1000/h or 5000/day")
    return limit, period


def parse_origin(text: str) -> str:
    parts = split_url(text)
    try:
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port, which may be the start of a password
        is_usable = False
    if text and (not is_usable or " " in text or not text.isprintable()):
        raise EnvError("must look like https://app.example.com")
    return text.rstrip("/")


ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>(\*\.)?[a-z0-9_-][a-z0-9._-]*|\[[0-9a-f:.]+\])(:(?P<port>\d{1,5}))?/?"
)
DEFAULT_PORTS = {"http": "80", "https": "443"}
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'+.^_`|~-]+")  # a token of RFC 9110 without *, which means "any"


def items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def normal_origin(text: str) -> str:
    """Return an origin as a browser sends it: in lower case, without the port that the scheme implies."""
    match = ORIGIN.fullmatch(text.lower())
    if match is None:
        raise EnvError(
            f"holds {text!r}, which is no origin: it must look like https://app.example.com or capacitor://localhost"
        )
    split_url(text)  # the brackets may hold an invalid address
    port = match["port"]
    origin = f"{match['scheme']}://{match['host']}"
    return origin if port in {None, DEFAULT_PORTS.get(match["scheme"])} else f"{origin}:{port}"


def parse_cors_origins(text: str) -> list[str]:
    """Return origins of any scheme: apps in a web view have origins like capacitor://localhost."""
    origins = [normal_origin(item) for item in items(text)]
    if wild := next((origin for origin in origins if "*" in origin), None):
        raise EnvError(f"holds {wild!r}: each origin must be named in full, a * is not understood here")
    return origins


def parse_trusted_origins(text: str) -> list[str]:
    """Return origins in Django's syntax: https://*.example.com means every subdomain."""
    return [normal_origin(item) for item in items(text)]


def parse_header_names(text: str) -> list[str]:
    names = items(text)
    if wrong := next((name for name in names if not HEADER_NAME.fullmatch(name)), None):
        raise EnvError(f"holds {wrong!r}: it must look like x-app-version,x-device")
    return [name.lower() for name in names]


def parse_sender(text: str) -> str:
    """Return one address, with or without a name, that is valid in a From header."""
    refusal = EnvError("must be one address, like Example <noreply@example.com>")
    try:
        header = default_policy.header_factory("From", text)
        [address] = header.addresses
        validate_email(address.addr_spec)
        sanitize_address(text, "utf-8")  # what Django does with it
    except (ValueError, TypeError, ValidationError) as error:
        raise refusal from error
    # A dot in an unquoted name ("Acme Inc.") is obsolete and common; a local part beyond ASCII needs SMTPUTF8.
    if not address.username.isascii() or any(
        type(flaw) is not ObsoleteHeaderDefect for flaw in header.defects
    ):
        raise refusal
    return text


def read_value(path: Path) -> str:
    """Return the text of a file without the newline at its end. Raises EnvError if it cannot be a value."""
    try:
        if not path.is_file():  # a pipe, for one, can be read by one process only
            raise EnvError(f"names no file: {path}")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise EnvError(f"names a file that cannot be read: {path}: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise EnvError(f"names a file of more than {MAX_FILE_BYTES // 1024} KiB: {path}")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise EnvError(f"names a file that is not UTF-8: {path}") from error
    value = text.removesuffix("\n").removesuffix("\r")
    if not value or "\0" in value:
        raise EnvError(f"names a file that {'holds a NUL byte' if value else 'is empty'}: {path}")
    return value


def parse_log_format(text: str) -> str:
    if text not in LOG_FORMATS:
        raise EnvError(f"must be one of: {', '.join(LOG_FORMATS)}")
    return text


class Environment(Env):
    """Environment variables, all read before any is reported, so that one start shows every mistake.

    The value of each may be in a file, which `NAME_FILE` names: relative to `folder`.
    """

    def __init__(self, folder: Path = Path()) -> None:
        super().__init__(eager=False)
        self.folder = folder
        for name, parser in (
            ("rate", parse_rate),
            ("database", parse_database),
            ("replica", parse_replica),
            ("redis", parse_redis),
            ("broker", parse_broker),
            ("origin", parse_origin),
            ("items", items),
            ("cors_origins", parse_cors_origins),
            ("trusted_origins", parse_trusted_origins),
            ("header_names", parse_header_names),
            ("sender", parse_sender),
            ("log_format", parse_log_format),
        ):
            self.add_parser(name, parser)
        self.problems: dict[str, str] = {}

    def _get_value(self, env_key: str, default: Any) -> Any:
        """Return the default for an empty variable: compose files and CI pass unset variables as empty ones."""
        value = super()._get_value(env_key, default)
        if path := os.environ.get(f"{env_key}_FILE"):
            value = self.value_in_file(env_key, path, value)
        return default if value == "" else value

    def value_in_file(self, name: str, path: str, otherwise: Any) -> Any:
        """Return the value in the file. The class of environs for it stops at one error, and allows both values."""
        if os.environ.get(name):
            self.refuse(f"{name}_FILE", f"is set, and so is {name}: leave one of them out")
            return otherwise
        try:
            return read_value(self.folder / path)
        except EnvError as error:
            self.refuse(f"{name}_FILE", str(error))
            return otherwise

    def accepted_keys(self, name: str, *, checked: bool) -> list[str]:
        """Read the keys that verify but do not sign. With `checked`, refuse weak ones."""
        keys: list[str] = self.items(name, "") or []
        for number, key in enumerate(keys, start=1):
            if checked and (weakness := weak_secret(key)):
                self.refuse(name, f"{weakness} (key {number})")
        return keys

    def refuse(self, name: str, reason: str) -> None:
        """Reject a valid value that this deployment must not have."""
        self.problems.setdefault(name, reason)

    def make_folder(self, name: str, folder: Path) -> None:
        """Make the folder that a variable names, or refuse the variable."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.refuse(name, f"needs the folder {folder}, which cannot be made: {error.strerror}")

    def stop_if_wrong(self) -> None:
        """Raise SystemExit with one line for every invalid or missing variable, if there is any."""
        try:
            self.seal()
        except EnvValidationError as error:
            errors: Any = error.error_messages  # {variable: messages}
            for name, messages in errors.items():
                text = " ".join(str(message) for message in messages)
                missing = "not set" in text
                if missing and f"{name}_FILE" in self.problems:
                    continue
                self.problems[name] = f"is not set: {PURPOSES.get(name, text)}" if missing else text
        if self.problems:
            lines = "\n".join(f"  {name} {reason}" for name, reason in sorted(self.problems.items()))
            raise SystemExit(f"The environment is not usable:\n{lines}\nSee .env.example for every variable.")


def weak_secret(key: str) -> str | None:
    """Return why `key` must not sign in production, or None if it may."""
    if len(key) < MIN_SECRET_LENGTH:
        return f"is too short: at least {MIN_SECRET_LENGTH} random characters when DEBUG is off"
    if any(word in key.lower() for word in EXAMPLE_SECRETS) or len(set(key)) < 10:
        return "is an example value: make a random one"
    return None


def file_storage(env: Environment, base: Path) -> dict[str, Any]:
    """Return the storage of files: a bucket if one is configured, else a folder relative to `base`."""
    if options := bucket_options(env, ""):
        return {"BACKEND": "core.files.storages.bucket.BucketStorage", "OPTIONS": options}
    return folder_storage(base / (env.str("MEDIA_ROOT", "") or "var/media"))


def folder_storage(folder: Path) -> dict[str, Any]:
    return {"BACKEND": "core.files.storages.disk.DiskStorage", "OPTIONS": {"location": str(folder)}}


def bucket_options(env: Environment, prefix: str) -> dict[str, Any] | None:
    """Return the options of the bucket in the variables with this prefix, or None without a bucket."""
    bucket = env.str(f"{prefix}S3_BUCKET", "")
    key_id = env.str(f"{prefix}S3_ACCESS_KEY_ID", "")
    secret = env.str(f"{prefix}S3_SECRET_ACCESS_KEY", "")
    options = {
        "bucket_name": bucket,
        "region_name": env.str(f"{prefix}S3_REGION", "us-east-1"),
        "endpoint_url": env.origin(f"{prefix}S3_ENDPOINT_URL", "") or None,
        "access_key": key_id or None,
        "secret_key": secret or None,
        "object_parameters": encryption(env, prefix),
    }
    if not bucket:
        return None
    if bool(key_id) != bool(secret):
        missing = f"{prefix}S3_{'SECRET_ACCESS_KEY' if key_id else 'ACCESS_KEY_ID'}"
        env.refuse(
            missing, "is not set, but its other half is: set both, or neither to take them from the machine"
        )
    if find_spec("storages") is None:
        env.refuse(f"{prefix}S3_BUCKET", "needs django-storages: pip install -r requirements/prod.txt")
    return options


def encryption(env: Environment, prefix: str) -> dict[str, str]:
    """Return the parameters of an upload for encryption by the bucket's server: none, then the bucket's own rule."""
    method = env.str(f"{prefix}S3_ENCRYPTION", "", validate=validate.OneOf(["", *ENCRYPTIONS])) or ""
    key = env.str(f"{prefix}S3_KMS_KEY_ID", "") or ""
    if key and method != KMS:
        env.refuse(f"{prefix}S3_KMS_KEY_ID", f"needs {prefix}S3_ENCRYPTION={KMS}")
    named = {"ServerSideEncryption": method, "SSEKMSKeyId": key}
    return {name: value for name, value in named.items() if value}
