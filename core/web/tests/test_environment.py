"""Every variable is read typed, and every mistake is told at once, by name."""

import pytest

from core.tests.interpreter import ROOT, python
from core.web.environment import Environment
from core.web.service_urls import parse_broker, parse_redis

pytestmark = pytest.mark.once

GOOD_KEY = "k3yB1fP0zQ7vX9mT2sW8rD4gH6jL5nC1aE0uI3oY7bV9xZ2qM4wS8"
IMPORT = "import config.settings"


# --- the one message ------------------------------------------------------------------------------


def test_what_is_set_to_nothing_is_not_set(monkeypatch):
    monkeypatch.setenv("SOME_RATE", "")
    monkeypatch.setenv("SOME_NUMBER", "")
    env = Environment()

    assert env.rate("SOME_RATE", "7/min") in {(7, 60), "7/min"}
    assert env.int("SOME_NUMBER", 3) == 3
    env.stop_if_wrong()


def test_every_mistake_is_told_at_once(monkeypatch):
    monkeypatch.setenv("ONE", "x")
    monkeypatch.setenv("TWO", "x")
    monkeypatch.delenv("THREE", raising=False)
    env = Environment()
    env.int("ONE", 1)
    env.rate("TWO", "1/min")
    env.str("THREE")
    env.refuse("FOUR", "must not be")

    with pytest.raises(SystemExit) as stop:
        env.stop_if_wrong()
    named = [line.split()[0] for line in str(stop.value).splitlines()[1:-1]]
    assert named == ["FOUR", "ONE", "THREE", "TWO"]


# --- a start --------------------------------------------------------------------------------------

PRODUCTION = {"DEBUG": "false", "SECRET_KEY": GOOD_KEY, "ALLOWED_HOSTS": "api.example.com"}


def start(**environment):
    """Start with this environment, and return the errors that prevent it."""
    done = python(IMPORT, **{**PRODUCTION, **environment})
    assert "Traceback" not in done.stderr
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr


def test_in_production_a_good_environment_starts():
    assert start() == ""


def test_in_production_nothing_unsafe_has_a_default():
    said = start(SECRET_KEY=None, ALLOWED_HOSTS=None)

    assert "SECRET_KEY is not set: it signs tokens" in said
    assert "ALLOWED_HOSTS is not set: the host names" in said
    assert ".env.example" in said


@pytest.mark.skipif((ROOT / ".env").exists(), reason="an .env file decides")
def test_off_is_what_debug_is_when_nobody_says():
    assert "SECRET_KEY" in start(DEBUG=None, SECRET_KEY=None)


def test_every_unsafe_or_unreadable_value_is_named_in_one_message():
    wrong = {
        "SECRET_KEY": "change-me" + GOOD_KEY,
        "SECRET_KEY_FALLBACKS": f"{GOOD_KEY},short",
        "JWT_VERIFYING_KEYS": "a,key,with,commas",
        "ALLOWED_HOSTS": "api.example.com,*",
        "DEBUG": "false",
        "DATABASE_URL": "mysql://x/y",
        "REDIS_URL": "http://x",
        "CELERY_BROKER_URL": "kafka://x",
        "THROTTLE_AUTH": "100/fortnight",
        "TRUSTED_PROXIES": "-1",
        "REGISTRATION": "by invitation",
        "REQUIRE_VERIFIED_EMAIL": "perhaps",
        "MAINTENANCE_MODE": "soon",
        "BCRYPT_ROUNDS": "many",
        "ACCESS_TOKEN_MINUTES": "soon",
        "FRONTEND_URL": "app.example.com",
        "CORS_ALLOWED_ORIGINS": "app.example.com",
        "CORS_ALLOW_HEADERS": "*",
        "CSRF_TRUSTED_ORIGINS": "*.example.com",
        "LOG_LEVEL": "LOUD",
        "LOG_FORMAT": "xml",
        "EMAIL_PORT": "smtp",
        "DEFAULT_FROM_EMAIL": "noreply",
        "SECURE_SSL_REDIRECT": "perhaps",
    }
    said = start(**wrong)
    named = {line.split()[0] for line in said.splitlines() if line.startswith("  ")}

    assert named == set(wrong) - {"DEBUG"}
    assert GOOD_KEY not in said


def test_a_url_that_cannot_be_split_is_named_and_its_password_is_not_told():
    wrong = {
        "DATABASE_URL": "postgres://ann:hunter2[x@db/app",
        "REDIS_URL": "redis://:hunter2[x@cache:6379/0",
        "CELERY_BROKER_URL": "amqp://ann:hunter2\u2100x@mq:5672//",
        "FRONTEND_URL": "https://[",
        "API_URL": "https://[api.example.com]",
        "S3_ENDPOINT_URL": "https://]",
        "CORS_ALLOWED_ORIGINS": "https://[1]",
        "CSRF_TRUSTED_ORIGINS": "https://[1]",
    }
    said = start(**wrong, S3_BUCKET="files")
    named = {line.split()[0] for line in said.splitlines() if "is not a URL: percent-encode" in line}

    assert named == set(wrong)
    assert "hunter2" not in said


def test_tls_from_the_first_byte_and_starttls_exclude_each_other():
    assert "  EMAIL_USE_SSL cannot be set together with EMAIL_USE_TLS" in start(
        EMAIL_USE_SSL="1", EMAIL_USE_TLS="1"
    )


@pytest.mark.parametrize(
    ("environment", "port"),
    [
        ({}, "25"),
        ({"EMAIL_USE_SSL": "true"}, "465"),
        ({"EMAIL_USE_SSL": "true", "EMAIL_PORT": "2465"}, "2465"),
    ],
)
def test_implicit_tls_has_a_port_of_its_own(environment, port):
    shown = python("import config.settings as s; print(s.EMAIL_PORT)", **PRODUCTION, **environment)

    assert shown.stdout.split() == [port]


def test_an_empty_entry_is_no_key():
    shown = python(
        "import config.settings as s; print(s.SECRET_KEY_FALLBACKS == s.JWT_VERIFYING_KEYS, *s.JWT_VERIFYING_KEYS)",
        **PRODUCTION,
        SECRET_KEY_FALLBACKS=f" {GOOD_KEY[::-1]},, ",
    )
    assert shown.stdout.strip() == f"True {GOOD_KEY[::-1]}"


def test_debug_that_is_neither_true_nor_false_is_not_taken_for_either():
    said = start(DEBUG="maybe")

    assert "  DEBUG " in said


@pytest.mark.parametrize("hosts", ["*", ".example.com,*"])
def test_production_does_not_answer_to_every_host(hosts):
    assert "ALLOWED_HOSTS" in start(ALLOWED_HOSTS=hosts)


def test_a_short_key_is_refused_in_production_only():
    assert "SECRET_KEY is too short" in start(SECRET_KEY="short")
    assert start(SECRET_KEY="short", DEBUG="true") == ""


SHOWN = """
import config.settings as s
print(s.FRONTEND_URL, s.CELERY_BROKER_URL, s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS, s.SESSION_COOKIE_SECURE,
      s.EMAIL_BACKEND, s.SECURE_PROXY_SSL_HEADER is None, s.JWT_SIGNING_KEY == s.SECRET_KEY)
"""


def test_in_production_what_is_not_said_is_safe():
    nothing = dict.fromkeys(
        (
            "FRONTEND_URL",
            "REDIS_URL",
            "CELERY_BROKER_URL",
            "SECURE_SSL_REDIRECT",
            "EMAIL_BACKEND",
            "TRUSTED_PROXIES",
        )
    )
    shown = python(
        SHOWN, **PRODUCTION, **nothing, EMAIL_HOST="mail.example.com", LOG_FORMAT="json"
    ).stdout.split()

    assert shown[0] == "https://api.example.com"
    assert shown[1:] == [
        *("True", "31536000", "True"),
        *("core.outbox.mail.SMTPBackend", "True", "True"),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCESS_TOKEN_MINUTES", "-3"),
        ("REFRESH_TOKEN_DAYS", "0"),
        ("SESSION_MAX_DAYS", "-1"),
        ("BCRYPT_ROUNDS", "3"),
        ("TRASH_RETENTION_DAYS", "0"),
        ("SESSION_RETENTION_DAYS", "4000"),
        ("JOB_RETENTION_DAYS", "-1"),
        ("MAX_UPLOAD_MB", "1025"),
        ("WEB_CONCURRENCY", "0"),
        ("JWT_SIGNING_KEY", "abc"),
    ],
)
def test_a_number_out_of_range_or_a_weak_key_stops_the_start(name, value):
    done = python("import config.settings", DEBUG="false", **{name: value})

    assert done.returncode == 1
    assert name in done.stderr


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "FRONTEND_URL"])
def test_an_address_that_cannot_be_taken_apart_stops_the_start_by_name(variable):
    done = python("import config.settings", **{variable: "postgres://[h"})

    assert done.returncode == 1
    assert f"  {variable} " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("parse", [parse_redis, parse_broker])
def test_a_scheme_in_capitals_is_the_same(parse):
    assert parse("REDISS://Cache.example.com/1").startswith("rediss://Cache.example.com/1?")
    assert parse("Redis://h/1") == "redis://h/1"
