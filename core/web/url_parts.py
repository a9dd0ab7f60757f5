"""A parser of URLs in environment variables. Imported by config/settings.py before Django is ready."""

from urllib.parse import SplitResult, urlsplit

from environs import EnvError


def split_url(text: str) -> SplitResult:
    """Return the parts of a URL. Raises EnvError, which names the variable, where urllib raises ValueError.

    The text of that ValueError may hold the password.
    """
    try:
        return urlsplit(text)
    except ValueError as error:
        raise EnvError(
            "is not a URL: percent-encode [, ] and non-ASCII characters, but not the [] of an IPv6 host"
        ) from error
