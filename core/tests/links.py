"""The process's link to Redis, which is made once, made anew for other settings."""

from core.redis_link import shared_link
from core.throttling import redis_counter


def forget_link():
    shared_link.cache_clear()
    redis_counter.cache_clear()
