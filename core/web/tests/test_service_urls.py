"""Options of URLs of Redis and RabbitMQ: a certificate is verified unless they say otherwise."""

import ssl

import pytest
from django_redis.pool import get_connection_factory
from environs import EnvError

from core.db.redis_client import SentinelBreakerPool, caches_at
from core.tests.interpreter import python
from core.web.service_urls import broker_connection, broker_options, parse_broker, parse_redis

REQUIRED, NONE = ssl.CERT_REQUIRED, ssl.CERT_NONE
VERIFIED = "?ssl_cert_reqs=required&ssl_check_hostname=true"
UNVERIFIED = "?ssl_cert_reqs=none&ssl_check_hostname=false"


@pytest.mark.parametrize(
    ("query", "understood"),
    [
        ("", VERIFIED),
        ("?ssl_cert_reqs=required", VERIFIED),
        ("?ssl_cert_reqs=CERT_REQUIRED", VERIFIED),
        ("?ssl_cert_reqs=none", UNVERIFIED),
        ("?ssl_cert_reqs=CERT_NONE", UNVERIFIED),
        (
            "?ssl_cert_reqs=CERT_OPTIONAL&ssl_check_hostname=0",
            "?ssl_cert_reqs=optional&ssl_check_hostname=false",
        ),
    ],
)
@pytest.mark.parametrize("parse", [parse_redis, parse_broker])
def test_both_spellings_of_verification_are_understood_and_it_is_on_by_default(parse, query, understood):
    assert parse(f"rediss://:p%40w@cache.example.com:6380/1{query}") == (
        f"rediss://:p%40w@cache.example.com:6380/1{understood}"
    )


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("rediss://h?ssl_cert_reqs=perhaps", "ssl_cert_reqs"),
        ("rediss://h?ssl_cert_reqs=", "ssl_cert_reqs"),
        ("rediss://h?ssl_check_hostname=maybe", "ssl_check_hostname"),
        ("rediss://h?ssl_ca_certs=/no/such.pem", "ssl_ca_certs"),
        ("rediss://h?ssl_ca_certs=/etc/hostname", "ssl_ca_certs"),
        ("rediss://h?ssl_certfile=/etc/hostname", "ssl_keyfile"),
        ("rediss://h?ssl_ca_cert=/etc/hostname", "ssl_ca_cert"),
        ("rediss://h?verify=no", "verify"),
        ("redis://h?ssl_cert_reqs=required", "ssl_cert_reqs"),
        ("redis://h?socket_timeout=5", "socket_timeout"),
        ("redis://h:port/0", "port"),
        ("redis://[h/0", "host"),
        ("rediss://h/0#ssl_cert_reqs=none", "#"),
        ("redis://:p#w@h/0", "#"),
        ("rediss://h?ssl_cert_reqs=required&ssl_cert_reqs=none", "ssl_cert_reqs"),
        ("rediss://h?ssl_check_hostname=true&ssl_check_hostname=true", "ssl_check_hostname"),
        ("unix:///run/redis.sock?db=1&db=2", "db"),
    ],
)
@pytest.mark.parametrize("parse", [parse_redis, parse_broker])
def test_an_option_that_nobody_heeds_or_that_cannot_work_is_refused_by_name(parse, url, named):
    with pytest.raises(EnvError, match=named):
        parse(url)


@pytest.mark.parametrize("variable", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_such_an_option_stops_the_start_and_names_the_variable(variable):
    done = python("import config.settings", **{variable: "rediss://h?ssl_cert_reqs=perhaps"})

    assert done.returncode == 1
    assert f"  {variable} has ssl_cert_reqs" in done.stderr


@pytest.mark.parametrize(
    ("url", "connection"),
    [
        ("redis://h:6379/1", ("redis://h:6379/1", None)),
        ("rediss://h/1", ("rediss://h/1", {"ssl_cert_reqs": REQUIRED, "ssl_check_hostname": True})),
        (
            "rediss://h/1?ssl_cert_reqs=none",
            ("rediss://h/1", {"ssl_cert_reqs": NONE, "ssl_check_hostname": False}),
        ),
        ("amqp://u:p@h:5672//", ("amqp://u:p@h:5672//", None)),
        (
            "amqps://u:p@mq.example.com//?heartbeat=30",
            (
                "amqps://u:p@mq.example.com//?heartbeat=30",
                {"cert_reqs": REQUIRED, "server_hostname": "mq.example.com"},
            ),
        ),
        ("amqps://h//?ssl_cert_reqs=CERT_NONE", ("amqps://h//", {"cert_reqs": NONE})),
        ("unix:///run/redis.sock?db=2", ("redis+socket:///run/redis.sock?virtual_host=2", None)),
    ],
)
def test_the_broker_gets_the_options_as_celery_takes_them(url, connection):
    assert broker_connection(parse_broker(url)) == connection


@pytest.mark.parametrize(
    "url", ["redis://:hunter2/x@h:6379/0", "unix://:hunter2/x@h", "amqp://u:hunter2/x@h//"]
)
def test_a_slash_in_a_password_is_refused_without_the_password(url):
    with pytest.raises(EnvError, match="percent-encode the /") as refusal:
        parse_broker(url)
    assert "hunter2" not in str(refusal.value)


# --- Redis behind Sentinel ------------------------------------------------------------------------

SENTINELS = "redis+sentinel://app:p%40ss@one:26380,[::1],two/MyMaster/3?sentinel_password=s%26cret"


def test_the_sentinels_of_a_broker_are_named_as_kombu_documents_it():
    url, tls = broker_connection(parse_broker(SENTINELS))
    options = broker_options(parse_broker(SENTINELS))

    assert url == (
        "sentinel://app:p%40ss@one:26380/3;sentinel://app:p%40ss@[::1]:26379/3;sentinel://app:p%40ss@two:26379/3"
    )
    assert tls is None
    assert (options["master_name"], options["sentinel_kwargs"]["password"]) == ("MyMaster", "s&cret")


def test_the_pool_of_a_cache_asks_the_sentinels_for_the_master():
    options = caches_at(parse_redis(SENTINELS), 0.1)["default"]["OPTIONS"]
    pool = get_connection_factory(dict(options)).connect("redis://MyMaster/3").connection_pool

    assert isinstance(pool, SentinelBreakerPool)
    assert pool.service_name == "MyMaster"
    assert (pool.connection_kwargs["username"], pool.connection_kwargs["password"]) == ("app", "p@ss")
    assert pool.connection_kwargs["db"] == 3
    assert len(pool.sentinel_manager.sentinels) == 3


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://:hunter2@one:26379",  # no master
        "redis+sentinel://:hunter2@one,/mymaster",
        "redis+sentinel://:hunter2@one:port/mymaster",
        "redis+sentinel://:hunter2@one/mymaster/x",
        "redis+sentinel://:hunter2@one/my master",
        "redis+sentinel://:hunter2@one/mymaster?ssl_cert_reqs=none",
        "redis+sentinel://:hunter2@one/mymaster?sentinel_password=hunter2&sentinel_password=hunter2",
        "rediss+sentinel://:hunter2@one/mymaster",
    ],
)
@pytest.mark.parametrize("parse", [parse_redis, parse_broker])
def test_a_wrong_url_of_sentinels_is_refused_without_its_password(parse, url):
    with pytest.raises(EnvError) as refusal:
        parse(url)
    assert "hunter2" not in str(refusal.value)
