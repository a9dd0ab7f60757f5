"""Splitting a URL of the environment. Imported by config/settings.py before Django is ready."""

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
            "holds what is no URL: percent-encode [, ] and what is beyond ASCII, but not the [] of an IPv6 host"
        ) from error
