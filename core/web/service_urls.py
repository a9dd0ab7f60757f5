"""The URLs of Redis and RabbitMQ, and the TLS options in their query.

redis-py, django-redis, kombu and py-amqp read these options differently, and without any kombu trusts every
certificate. So this module checks them once and converts them for each library.
Imported by config/settings.py before Django is ready.
"""

import ssl
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode

from environs import EnvError

from core.web.url_parts import split_url

REDIS_SCHEMES = frozenset({"redis", "rediss", "unix"})
BROKER_SCHEMES = frozenset({*REDIS_SCHEMES, "amqp", "amqps", "pyamqp"})
TLS_SCHEMES = frozenset({"rediss", "amqps"})
# The other query options of each scheme; kombu accepts no more.
OTHER_OPTIONS = {"unix": {"db"}, "amqp": {"heartbeat"}, "amqps": {"heartbeat"}, "pyamqp": {"heartbeat"}}
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
VERIFICATION = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def parse_redis(text: str) -> str:
    return normalized(text, REDIS_SCHEMES, "redis://host:6379/0") if text else text


def parse_broker(text: str) -> str:
    example = "redis://host:6379/0 or amqp://user:password@host:5672//"
    return normalized(text, BROKER_SCHEMES, example) if text else text


def normalized(text: str, schemes: frozenset[str], example: str) -> str:
    """Return the URL with its scheme in lower case, its options named as in redis-py, and `ssl_cert_reqs` if it uses
    TLS. Raises EnvError for an option that is unknown or cannot work."""
    parts = split(text)
    if parts.scheme not in schemes:
        raise EnvError(f"must look like {example}")
    url = f"{parts.scheme}:{text.partition(':')[2]}"
    sent = parse_qsl(parts.query, keep_blank_values=True)
    names_sent = [name for name, _ in sent]
    if repeated := sorted({name for name in names_sent if names_sent.count(name) > 1}):
        raise EnvError(f"has an option in its query that is given twice: {repeated[0]}")
    others = [(name, value) for name, value in sent if name in OTHER_OPTIONS.get(parts.scheme, ())]
    unknown = [name for name, _ in sent if name not in {*FILES, "ssl_cert_reqs", "ssl_check_hostname"}]
    if names := sorted(set(unknown) - {name for name, _ in others}):
        raise EnvError(f"has an option in its query that is not known: {names[0]}")
    options = {name: value for name, value in sent if name.startswith("ssl_")}
    if options and parts.scheme not in TLS_SCHEMES:
        raise EnvError(
            f"has {sorted(options)[0]}, but {parts.scheme}:// is without TLS: use rediss:// or amqps://"
        )
    if parts.scheme in TLS_SCHEMES:
        options = {**options, **verification(options)}
        refuse_unusable_files(options)
    return joined(url, dict(others) | options)


def split(url: str) -> SplitResult:
    if "#" in url:
        raise EnvError("holds a #: write %23 for it in a password; options follow a ?")
    parts = split_url(url)
    try:
        parts.port  # noqa: B018 - parsed on access
    except ValueError as error:
        raise EnvError(f"has an invalid port: {error}") from error
    if parts.scheme in TLS_SCHEMES and ";" in url:
        raise EnvError("must name one server, whose name its certificate can be compared with")
    return parts


def joined(url: str, options: dict[str, str]) -> str:
    """Return the URL with these options. urllib would remove two slashes of `unix:///run/redis.sock`."""
    return "?".join(filter(None, (url.partition("?")[0], urlencode(options, safe="/"))))


def verification(options: dict[str, str]) -> dict[str, str]:
    """Return the verification options, by default the strictest: `CERT_NONE` becomes `none`, `0` becomes `false`."""
    requirement = options.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if requirement not in VERIFICATION:
        raise EnvError("has ssl_cert_reqs in its query, which must be required, optional or none")
    check_hostname = BOOLEANS.get(options.get("ssl_check_hostname", "true").lower())
    if check_hostname is None:
        raise EnvError("has ssl_check_hostname in its query, which must be true or false")
    checked = check_hostname and requirement != "none"
    return {"ssl_cert_reqs": requirement, "ssl_check_hostname": str(checked).lower()}


def refuse_unusable_files(options: dict[str, str]) -> None:
    if ("ssl_certfile" in options) != ("ssl_keyfile" in options):
        raise EnvError("must have both ssl_certfile and ssl_keyfile in its query, or neither")
    try:
        context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
        if "ssl_certfile" in options:
            context.load_cert_chain(options["ssl_certfile"], options["ssl_keyfile"])
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        names = ", ".join(f"{name}={options[name]}" for name in FILES if name in options)
        raise EnvError(f"names a file that cannot be used ({names}): {error}") from error


def broker_connection(url: str) -> tuple[str, dict[str, Any] | None]:
    """Return CELERY_BROKER_URL and CELERY_BROKER_USE_SSL for a parsed URL."""
    parts = split_url(url)
    sent = dict(parse_qsl(parts.query))
    others = {name: value for name, value in sent.items() if not name.startswith("ssl_")}
    if parts.scheme == "unix":
        return joined(f"redis+socket://{parts.path}", {"virtual_host": sent.get("db", "0")}), None
    plain = joined(url, others)
    if parts.scheme not in TLS_SCHEMES:
        return plain, None
    files = {name: sent[name] for name in FILES if name in sent}
    requirement, checked = VERIFICATION[sent["ssl_cert_reqs"]], BOOLEANS[sent["ssl_check_hostname"]]
    if parts.scheme == "rediss":
        return plain, {**files, "ssl_cert_reqs": requirement, "ssl_check_hostname": checked}
    options = {name.removeprefix("ssl_"): value for name, value in files.items()}
    # py-amqp checks the host name in the certificate only if `server_hostname` is set.
    return plain, {**options, "cert_reqs": requirement} | (
        {"server_hostname": parts.hostname} if checked else {}
    )
