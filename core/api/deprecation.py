"""Announcement that an operation ends: the headers `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link`."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property

from django.core.exceptions import ImproperlyConfigured
from django.utils.http import http_date


@dataclass(frozen=True)
class Deprecation:
    """Deprecation of an operation `since` a day. It ends on the day `sunset`; `link` is a page for authors of clients.

    The days begin at midnight, UTC. Raise ImproperlyConfigured for an end before the beginning.
    """

    since: date
    sunset: date | None = None
    link: str = ""

    def __post_init__(self) -> None:
        if self.sunset is not None and self.sunset < self.since:
            raise ImproperlyConfigured(f"sunset {self.sunset} is before since {self.since}.")

    @cached_property
    def headers(self) -> dict[str, str]:
        headers = {"Deprecation": f"@{seconds_of(self.since)}"}
        if self.sunset is not None:
            headers["Sunset"] = http_date(seconds_of(self.sunset))
        if self.link:
            headers["Link"] = f'<{self.link}>; rel="deprecation"; type="text/html"'
        return headers

    @property
    def description(self) -> str:
        """The sentences for the OpenAPI document."""
        end = f" It ends on {self.sunset:%Y-%m-%d}." if self.sunset else ""
        link = f" See <{self.link}>." if self.link else ""
        return f"Deprecated since {self.since:%Y-%m-%d}.{end}{link}"


def seconds_of(day: date) -> int:
    return int(datetime.combine(day, time.min, UTC).timestamp())
