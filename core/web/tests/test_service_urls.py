"""Options of URLs of Redis and RabbitMQ: a certificate is verified unless they say otherwise."""

import ssl

import pytest
from environs import EnvError

from core.tests.interpreter import python
from core.web.service_urls import broker_connection, parse_broker, parse_redis

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
