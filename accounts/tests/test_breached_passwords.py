"""Passwords of breaches, against a service on loopback with the range API of Pwned Passwords."""

import gzip
import hashlib
from contextlib import ExitStack

import pytest
from prometheus_client import REGISTRY

from accounts.tests.checks import API, problems
from core.tests.interpreter import django_python
from core.tests.raw_service import raw_service, replies, reply

pytestmark = pytest.mark.django_db

PASSWORD = "Correct-Horse-7-Battery"
DIGEST = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()
LINES = "0018A45C4D1DEF81644B54AB7F969B88D65:10\r\n{}:{}\r\n011053FD0102E94D6AE2F8B83D76FAF94F6:1\r\n"


def listing(count):
    return reply(body=LINES.format(DIGEST[5:], count).encode())


@pytest.fixture
def service_with(settings):
    """Return a function that starts a service with this reply for all requests, and looks passwords up in it."""
    with ExitStack() as stack:

        def start(answer):
            service = stack.enter_context(raw_service(answer))
            settings.AUTH_PASSWORD_VALIDATORS = [
                *settings.AUTH_PASSWORD_VALIDATORS,
                {
                    "NAME": "accounts.breached_passwords.BreachedPasswordValidator",
                    "OPTIONS": {"url": f"http://{service.address}:{service.port}/range"},
                },
            ]
            return service

        yield start


def register(client, password=PASSWORD):
    body = {"email": "ann@example.com", "password": password, "name": "Ann Able"}
    return client.post(f"{API}/auth/register", body)


def outcomes(outcome):
    labels = {"integration": "breached_passwords", "outcome": outcome}
    return REGISTRY.get_sample_value("outgoing_requests_total", labels) or 0


def test_a_breached_password_is_refused(anonymous, service_with):
    service_with(replies(listing(3861493)))

    assert problems(register(anonymous)) == [("password", "password_breached")]


def test_the_service_gets_five_characters_of_the_hash(anonymous, service_with):
    service = service_with(replies(listing(1)))
    register(anonymous)

    (request,) = service.requests
    assert request.startswith(f"GET /range/{DIGEST[:5]} HTTP/1.1".encode())
    assert b"add-padding: true" in request.lower()
    assert DIGEST[5:].encode() not in request
    assert PASSWORD.encode() not in request


@pytest.mark.parametrize(
    "answer",
    [
        listing(0),  # padding
        reply(body=b""),
        reply("503 Service Unavailable", body=DIGEST[5:].encode() + b":1"),
        reply(body=b"\xff<html>"),
    ],
)
def test_any_other_response_accepts_it(anonymous, service_with, answer):
    service_with(replies(answer))

    assert register(anonymous).status_code == 201


def test_a_silent_service_delays_little_and_is_counted(anonymous, service_with):
    service = service_with(lambda _connection, _request: service.stopped.wait(10))
    before = outcomes("timed_out")

    assert register(anonymous).status_code == 201
    assert outcomes("timed_out") == before + 1


@pytest.mark.once
@pytest.mark.parametrize(
    ("url", "expected"),
    [("", "[]"), ("https://host.example/range/", "[{'url': 'https://host.example/range'}]")],
)
def test_passwords_are_looked_up_where_the_variable_is_set(url, expected):
    code = (
        "from django.conf import settings\n"
        "print([rule['OPTIONS'] for rule in settings.AUTH_PASSWORD_VALIDATORS if 'Breached' in rule['NAME']])"
    )
    assert django_python(code, BREACHED_PASSWORDS_URL=url).stdout.strip() == expected


@pytest.mark.once
@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_list_of_ones_own_is_added_to_djangos(tmp_path, is_compressed):
    path, content = tmp_path / "passwords", b"acme-rocks-2026\n"
    path.write_bytes(gzip.compress(content) if is_compressed else content)
    code = (
        "from django.contrib.auth.password_validation import validate_password\n"
        "from django.core.exceptions import ValidationError\n"
        "for password in ('Acme-Rocks-2026', 'Password1', PASSWORD):\n"
        "    try:\n"
        "        validate_password(password)\n"
        "        print('accepted')\n"
        "    except ValidationError as error:\n"
        "        print([problem.code for problem in error.error_list])\n"
    ).replace("PASSWORD", repr(PASSWORD))

    shown = django_python(code, COMMON_PASSWORDS_PATH=str(path)).stdout.split("\n")

    assert shown[:3] == ["['password_too_common']", "['password_too_common']", "accepted"]


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("COMMON_PASSWORDS_PATH", "/nowhere/list.txt", "names no file that can be read: /nowhere/list.txt"),
        (
            "BREACHED_PASSWORDS_URL",
            "https://host.example/range?x=1",
            "has a user name, a query or a fragment",
        ),
        ("BREACHED_PASSWORDS_URL", "host.example", "must look like https://"),
    ],
)
def test_a_wrong_value_is_named(name, value, text):
    done = django_python("", **{name: value})

    assert name in done.stderr
    assert text in done.stderr
