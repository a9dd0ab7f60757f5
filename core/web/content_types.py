"""Content-Type headers on which Django fails before the first middleware."""

import codecs
from collections.abc import Callable, Iterable
from typing import Any

from django.utils.http import parse_header_parameters

UNREADABLE = "application/x-unreadable"  # refused with 415 by core/web/middleware.py

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def with_readable_type(application: Application) -> Application:
    """Replace a Content-Type whose charset is not UTF-8.

    Django decodes the query string with this charset too, and raises for codecs that are not text encodings.
    """

    def checked(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        header = environ.get("CONTENT_TYPE", "")
        if ";" in header and not is_readable(header):
            environ["CONTENT_TYPE"] = UNREADABLE
        return application(environ, start_response)

    return checked


def is_readable(header: str) -> bool:
    try:
        _type, parameters = parse_header_parameters(header)
        return codecs.lookup(parameters.get("charset", "utf-8")).name == "utf-8"
    except (LookupError, ValueError):
        return False
