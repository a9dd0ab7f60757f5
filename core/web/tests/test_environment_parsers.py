"""The parsers of single variables: each understands what is documented, and refuses anything else."""

import pytest
from environs import EnvError

from core.web.environment import parse_origin, parse_rate, weak_secret
from core.web.service_urls import parse_broker, parse_database, parse_redis

GOOD_KEY = "k3yB1fP0zQ7vX9mT2sW8rD4gH6jL5nC1aE0uI3oY7bV9xZ2qM4wS8"


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/min", (100, 60)),
        ("100/15min", (100, 900)),
        (" 5/s ", (5, 1)),
        ("1/2sec", (1, 2)),
        ("7/m", (7, 60)),
        ("1000/h", (1000, 3600)),
        ("1000/2hour", (1000, 7200)),
        ("5000/d", (5000, 86400)),
        ("5000/day", (5000, 86400)),
    ],
)
def test_a_rate_is_a_number_per_period(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "100", "100/", "/min", "0/min", "-1/min", "100/0min", "100/week", "100 / min", "1e3/min", "100/MIN"],
)
def test_any_other_rate_is_refused(text):
    with pytest.raises(EnvError, match="must look like"):
        parse_rate(text)


def test_a_database_is_known_by_its_url():
    postgres = parse_database("postgres://ann:s%40crt@db.example.com:5433/app")

    assert postgres["ENGINE"].endswith("postgresql")
    assert (postgres["NAME"], postgres["PASSWORD"], postgres["PORT"]) == ("app", "s@crt", 5433)
    assert parse_database("sqlite:////tmp/x.sqlite3")["NAME"] == "/tmp/x.sqlite3"


@pytest.mark.parametrize("text", ["db", "mysql://x/y", "http://x", "postgres://host:notaport/x", "://"])
def test_any_other_database_is_refused(text):
    with pytest.raises(EnvError):
        parse_database(text)


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (parse_redis, "redis://127.0.0.1:6379/0", "http://127.0.0.1"),
        (parse_redis, "redis://:pw@cache.example.com:6380/1", "127.0.0.1:6379"),
        (parse_redis, "unix:///run/redis.sock?db=1", "redis.sock"),
        (parse_redis, "", "amqp://x"),
        (parse_broker, "amqp://u:p@mq.example.com:5672//", "kafka://x"),
        (parse_broker, "redis://127.0.0.1:6379/0", "mq.example.com"),
        (parse_origin, "https://app.example.com", "app.example.com"),
        (parse_origin, "http://127.0.0.1:3000", "ftp://app.example.com"),
        (parse_origin, "", "https://"),
        (parse_origin, "https://[::1]:8443/range", "https://app.example.com:99999"),
        (parse_origin, "", "https://app.example.com:port"),
        (parse_origin, "", "https://:443/range"),
        (parse_origin, "", " https://app.example.com"),
        (parse_origin, "", "https://app.example.com/ra nge"),
    ],
)
def test_a_url_has_a_scheme_that_is_understood(parse, good, bad):
    assert parse(good) == good
    with pytest.raises(EnvError, match="must look like"):
        parse(bad)


@pytest.mark.parametrize(
    ("key", "weak"),
    [
        (GOOD_KEY, False),
        (GOOD_KEY[:49], True),
        ("", True),
        ("a" * 60, True),
        ("change-me-" + GOOD_KEY, True),
        ("django-insecure-" + GOOD_KEY, True),
        ("EXAMPLE" + GOOD_KEY, True),
    ],
)
def test_a_key_that_is_short_or_an_example_is_weak(key, weak):
    assert bool(weak_secret(key)) is weak
