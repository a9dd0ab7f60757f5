"""Optional services of others, in environment variables. Imported by config/settings.py before Django is ready."""

from dataclasses import dataclass, field

from environs import EnvError

from core.web.environment import Environment
from core.web.service_urls import split_url


@dataclass(frozen=True)
class TextService:
    """A service with the API of OpenAI (`POST /chat/completions`)."""

    url: str
    model: str
    key: str = field(repr=False)


def text_service(env: Environment) -> TextService | None:
    """Return the service in OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL, or None without a key."""
    key = (env.str("OPENAI_API_KEY", "") or "").strip()
    url = env.origin("OPENAI_BASE_URL", "") or "https://api.openai.com/v1"
    model = env.str("OPENAI_MODEL", "") or "gpt-4.1-mini"
    if "@" in url or "?" in url:
        env.refuse("OPENAI_BASE_URL", "has a user name or a query: only a host and a path can be used")
    if not key.isprintable() or not key.isascii():
        env.refuse("OPENAI_API_KEY", "contains a character that no HTTP header may have")
    return TextService(url, model, key) if key else None


def breach_service(env: Environment) -> str:
    """Return BREACHED_PASSWORDS_URL, which a prefix of a hash is added to, without a slash at its end; "" for none."""
    url: str = env.origin("BREACHED_PASSWORDS_URL", "") or ""
    if "@" in url or "?" in url or "#" in url:
        env.refuse(
            "BREACHED_PASSWORDS_URL",
            "has a user name, a query or a fragment: only host and path are used",
        )
    return url


def relying_party(env: Environment, frontend_url: str) -> tuple[str, list[str]]:
    """Return the relying party of passkeys and its origins: WEBAUTHN_RP_ID and WEBAUTHN_ORIGINS, by default the host
    and the origin of FRONTEND_URL. A browser accepts origins of this domain and its subdomains only."""
    parts = split_url(frontend_url)
    name = (env.str("WEBAUTHN_RP_ID", "") or parts.hostname or "localhost").lower()
    origins = env.cors_origins("WEBAUTHN_ORIGINS", "") or [f"{parts.scheme}://{parts.netloc}"]
    for origin in origins:
        if not f".{split_url(origin).hostname}".endswith(f".{name}"):
            env.refuse(
                "WEBAUTHN_ORIGINS", f"names {origin}, which is not of the domain {name} of WEBAUTHN_RP_ID"
            )
    return name, origins


@dataclass(frozen=True)
class Scanner:
    """The socket of clamd: a path, or a host and a port."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


def parse_scanner(text: str) -> Scanner | None:
    if not text:
        return None
    parts = split_url(text)
    try:
        port = 3310 if parts.port is None else parts.port
    except ValueError as error:
        raise EnvError(f"has an invalid port: {error}") from error
    if parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/"):
        return Scanner(path=parts.path)
    if parts.scheme == "tcp" and parts.hostname and port and parts.path in {"", "/"}:
        return Scanner(host=parts.hostname, port=port)
    raise EnvError("must look like unix:/run/clamav/clamd.ctl or tcp://scanner:3310")


def upload_scanner(env: Environment) -> Scanner | None:
    """Return the scanner in CLAMAV_SOCKET, or None: uploads are not scanned."""
    env.add_parser("scanner", parse_scanner)
    scanner: Scanner | None = env.scanner("CLAMAV_SOCKET", "")
    return scanner
