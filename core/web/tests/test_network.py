import json

import pytest
from django.test import Client, RequestFactory

from accounts.tests.factories import PASSWORD, UserFactory
from core.audit.models import AuditEvent
from core.tests.interpreter import django_python
from core.web.client_address import client_ip, limit_key

PEER = "192.0.2.1"


@pytest.fixture
def seen(settings):
    """The address that is believed, by the number of proxies, what they forwarded and the peer's own."""

    def ask(proxies, forwarded=None, peer=PEER):
        settings.TRUSTED_PROXIES = proxies
        headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
        return client_ip(RequestFactory().get("/", REMOTE_ADDR=peer, **headers))

    return ask


@pytest.mark.parametrize("forwarded", [None, "", "203.0.113.9", "203.0.113.9, 198.51.100.2", "garbage"])
def test_without_a_proxy_only_the_peer_is_believed(seen, forwarded):
    assert seen(0, forwarded) == PEER


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        (1, " 1.1.1.1 ,203.0.113.9 ", "203.0.113.9"),
        (2, "203.0.113.9, 198.51.100.2", "203.0.113.9"),
        (2, "1.1.1.1, 203.0.113.9, 198.51.100.2", "203.0.113.9"),
        (3, "1.1.1.1, 203.0.113.9, 198.51.100.2, 198.51.100.3", "203.0.113.9"),
    ],
)
def test_what_the_outermost_trusted_proxy_saw_is_believed(seen, proxies, forwarded, expected):
    assert seen(proxies, forwarded) == expected


@pytest.mark.parametrize(
    "node",
    [
        "203.0.113.9:51234",
        '"203.0.113.9:51234"',
        ' "203.0.113.9" ',
        "::ffff:203.0.113.9",
        "[::ffff:203.0.113.9]:443",
        "[::ffff:203.0.113.9]",
    ],
)
def test_an_ipv4_address_is_understood_in_every_spelling_of_proxies(seen, node):
    assert seen(1, f"6.6.6.6, {node}") == "203.0.113.9"


@pytest.mark.parametrize(
    "node",
    ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443", '"[2001:DB8::1]:443"', "[2001:db8::1%25eth0]:443"],
)
def test_an_ipv6_address_is_understood_in_every_spelling_of_proxies(seen, node):
    assert seen(2, f"6.6.6.6, {node}, 10.0.0.1:80") == "2001:db8::1"


UNUSABLE = [
    (1, None),
    (1, ""),
    (2, "203.0.113.9"),
    (1, "garbage"),
    (1, "unknown"),
    (1, "_hidden"),
    (1, "203.0.113.9, unknown"),
    (1, "203.0.113.9, "),
    (1, "256.1.1.1"),
    (1, "1.2.3"),
    (1, "203.0.113.9:http"),
    (1, "203.0.113.9:"),
    (1, "[203.0.113.9]:80"),
    (1, "[2001:db8::1"),
    (1, "[2001:db8::1]443"),
    (1, "１.2.3.4"),
    (1, "<script>"),
    (1, "010.0.0.1"),
    (1, "1" * 100_000),
    (2, ", , ,"),
    # Loopback is what a proxy sees of a second one on its machine that TRUSTED_PROXIES does not count.
    (1, "203.0.113.9, 127.0.0.1"),
    (1, "127.8.8.8:80"),
    (1, "::1"),
    (1, "[::ffff:127.0.0.1]:80"),
]


@pytest.mark.parametrize(("proxies", "forwarded"), UNUSABLE)
def test_a_chain_that_is_too_short_or_no_address_names_nobody(seen, proxies, forwarded):
    assert seen(proxies, forwarded) is None


@pytest.mark.django_db
@pytest.mark.parametrize(("proxies", "forwarded"), UNUSABLE)
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", PEER])
def test_who_has_no_address_does_not_read_the_metrics(settings, proxies, forwarded, peer):
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}

    assert Client().get("/metrics", headers=headers, REMOTE_ADDR=peer).status_code == 403


@pytest.mark.django_db
def test_an_unusable_header_is_null_in_audit_and_session_and_counts_by_the_peer(anonymous, settings):
    settings.TRUSTED_PROXIES = 1
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "auth": (1, 60)}
    user = UserFactory()
    body = {"email": user.email, "password": PASSWORD}
    statuses = [
        anonymous.post(
            "/api/v1/auth/login", body, headers={"X-Forwarded-For": sent}, REMOTE_ADDR=peer
        ).status_code
        for sent, peer in (("unknown", PEER), ("garbage", PEER), ("unknown", "192.0.2.2"))
    ]

    assert statuses == [200, 429, 200]
    assert set(user.sessions.values_list("ip_address", flat=True)) == {None}
    assert set(AuditEvent.objects.values_list("ip_address", flat=True)) == {None}


WARN = """
import time
from django.conf import settings
settings.TRUSTED_PROXIES = 1
for path in ("/health", "/metrics"):
    Client().get(path)
for _ in range(3):
    Client().get("/", headers={"X-Forwarded-For": "203.0.113.9, unknown"})
clock = time.monotonic
time.monotonic = lambda: clock() + 61
Client().get("/")
"""


def test_an_unusable_header_is_logged_once_a_minute_and_names_the_setting():
    lines = [json.loads(line) for line in django_python(WARN, LOG_LEVEL="WARNING").stderr.splitlines()]
    warnings = [line for line in lines if line["message"] == "client_address_unknown"]

    assert [line["forwardedFor"] for line in warnings] == ["203.0.113.9, unknown", ""]
    assert all("TRUSTED_PROXIES" in line["hint"] and line["level"] == "warning" for line in warnings)


# --- HTTPS ----------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("proxies", "proto", "secure"),
    [
        (1, "https", True),
        (1, "HTTPS", True),
        (1, " https ", True),
        (1, "http, https", True),
        (2, "https", True),
        (2, "https,http", True),
        (2, "http,https,http", True),
        (1, None, False),
        (1, "", False),
        (1, "http", False),
        (1, "https,http", False),
        (1, "https://", False),
        (2, "https,http,http", False),
        (0, "https", False),
    ],
)
def test_https_is_what_the_outermost_trusted_proxy_says(settings, proxies, proto, secure):
    settings.SECURE_SSL_REDIRECT = True
    settings.TRUSTED_PROXIES = proxies
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if proxies else None
    headers = {} if proto is None else {"X-Forwarded-Proto": proto}
    refused = Client().get("/api/v1/jobs", headers=headers).status_code == 403

    assert refused is not secure


def test_a_hundred_invented_hops_change_nothing(seen):
    invented = ", ".join(f"10.0.0.{number}" for number in range(100))

    assert seen(1, f"{invented}, 203.0.113.9") == "203.0.113.9"
    assert seen(2, f"{invented}, 203.0.113.9, 198.51.100.2") == "203.0.113.9"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("2001:db8::1", "2001:db8::1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("::1", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("", None),
        ("/run/socket", None),
    ],
)
def test_an_address_has_one_spelling(seen, address, expected):
    assert seen(0, peer=address) == expected
    assert seen(1, f"{address}, 203.0.113.9") == "203.0.113.9"


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:3::", "2001:db8:1:3::"),
        (None, "unknown"),
    ],
)
def test_limits_count_by_address_or_by_the_network_one_client_owns(address, key):
    assert limit_key(address) == key
