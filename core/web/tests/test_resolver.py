"""Lookups of host names whose resolver hangs: what stands for it is a function that a test ends."""

import socket
import threading

import psycopg
import pytest
import redis
from django_redis.pool import get_connection_factory
from redis.sentinel import MasterNotFoundError

from core.db.postgresql.base import with_addresses
from core.db.redis_client import BreakerPool, caches_at
from core.web import request_context as context
from core.web.resolver import Resolver, resolver

look_up = socket.getaddrinfo


class Names:
    """The resolver of the system: of a name in `.test` it waits for `released`, and then raises `error` or returns two
    addresses."""

    def __init__(self):
        self.released, self.error, self.lookups = threading.Event(), None, 0

    def getaddrinfo(self, host, *arguments, **options):
        if not str(host).endswith(".test"):
            return look_up(host, *arguments, **options)
        self.lookups += 1
        assert self.released.wait(20)
        if self.error:
            raise self.error
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in ("127.0.0.1", "127.0.0.2")]


@pytest.fixture
def names(monkeypatch):
    hanging = Names()
    monkeypatch.setattr(socket, "getaddrinfo", hanging.getaddrinfo)
    yield hanging
    hanging.released.set()


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_address_needs_no_lookup(names, address):
    assert Resolver().addresses_of(address, 0) == [address]
    assert names.lookups == 0


def test_a_lookup_that_hangs_is_given_up_and_all_wait_for_one(names):
    lookups = Resolver()
    for _ in range(5):
        with pytest.raises(TimeoutError):
            lookups.addresses_of("db.test", 0.01)
    names.released.set()

    assert lookups.addresses_of("db.test", 10) == ["127.0.0.1", "127.0.0.2"]
    assert names.lookups <= 2


def test_a_failure_is_not_cached(names):
    lookups, names.error = Resolver(), socket.gaierror("no name server")
    names.released.set()
    with pytest.raises(socket.gaierror):
        lookups.addresses_of("db.test", 10)
    names.error = None

    assert lookups.addresses_of("db.test", 10) == ["127.0.0.1", "127.0.0.2"]


def test_a_name_that_cannot_be_encoded_is_an_error_of_the_lookup():
    with pytest.raises(OSError, match="too long"):
        Resolver().addresses_of("x" * 70 + ".test", 10)


def test_postgresql_is_connected_to_by_the_addresses(names):
    names.released.set()

    assert with_addresses({"host": "db.test", "port": 5432}) == {
        "host": "db.test,db.test",
        "hostaddr": "127.0.0.1,127.0.0.2",
        "port": 5432,
    }


@pytest.mark.parametrize(
    "given", [{}, {"host": "/run/postgresql"}, {"host": "a,b"}, {"host": "db.test", "hostaddr": "192.0.2.1"}]
)
def test_what_is_no_single_name_is_left_to_the_driver(names, given):
    assert with_addresses(given) == given
    assert names.lookups == 0


def test_in_a_request_the_lookup_of_postgresql_has_an_end(names, monkeypatch):
    monkeypatch.setattr("core.db.postgresql.base.CHECK_SECONDS", 0.01)
    token = context.time_limits.set(context.REQUEST_LIMITS)
    try:
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            with_addresses({"host": "hanging.test"})
    finally:
        context.time_limits.reset(token)


def test_the_lookup_of_redis_has_an_end_and_opens_the_circuit(names):
    pool = BreakerPool.from_url("redis://cache.test:6379/0", socket_connect_timeout=0.01)
    with pytest.raises(redis.TimeoutError, match="takes too long"):
        pool.get_connection()
    lookups = names.lookups
    with pytest.raises(redis.ConnectionError, match="last seconds"):
        pool.get_connection()

    assert names.lookups == lookups


def test_a_sentinel_whose_lookup_hangs_is_left_out(names):
    options = caches_at("redis+sentinel://hanging.test,127.0.0.1:1/mymaster/0", 0.01)["default"]["OPTIONS"]
    client = get_connection_factory(dict(options)).connect("redis://mymaster/0")

    with pytest.raises(MasterNotFoundError, match=r"host=hanging\.test.*host=127\.0\.0\.1,"):
        client.ping()


def test_the_shared_resolver_looks_up_this_machine():
    assert {"127.0.0.1", "::1"} & set(resolver.addresses_of("localhost", 10))
