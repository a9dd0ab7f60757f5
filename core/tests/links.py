"""The process's link to Redis, which is made once, made anew for other settings."""

from core.db.counters import redis_counter
from core.db.redis_client import shared_link


def forget_link():
    shared_link.cache_clear()
    redis_counter.cache_clear()
