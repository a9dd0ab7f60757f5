"""Settings that lead the caches and the rate limits to another Redis."""

from core.db.redis_client import caches_at


def use_redis(settings, url, timeout=0.1):
    settings.REDIS_URL = url
    settings.CACHES = caches_at(url, timeout)


def with_long_timeout(url):
    """Return a Redis URL with a longer timeout, for tests whose threads keep two cores busy for longer than a
    tenth of a second."""
    return f"{url}{'&' if '?' in url else '?'}socket_timeout=5"
