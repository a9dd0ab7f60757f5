"""Optional services of others, in environment variables. Imported by config/settings.py before Django is ready."""

from dataclasses import dataclass, field

from core.web.environment import Environment


@dataclass(frozen=True)
class TextService:
    """A service with the API of OpenAI (`POST /chat/completions`)."""

    url: str
    model: str
    key: str = field(repr=False)


def text_service(env: Environment) -> TextService | None:
    """Return the service in OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL, or None without a key."""
    key = env.str("OPENAI_API_KEY", "") or ""
    url = env.origin("OPENAI_BASE_URL", "") or "https://api.openai.com/v1"
    model = env.str("OPENAI_MODEL", "") or "gpt-4.1-mini"
    if not key.isprintable() or not key.isascii():
        env.refuse("OPENAI_API_KEY", "contains a character that no HTTP header may have")
    return TextService(url, model, key) if key else None
