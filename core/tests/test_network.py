import pytest
from django.test import RequestFactory

from core.network import client_ip, limit_key

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
    ("proxies", "forwarded"),
    [
        (1, None),
        (1, ""),
        (2, "203.0.113.9"),
        (1, "garbage"),
        (1, "203.0.113.9, unknown"),
        (1, "203.0.113.9, "),
        (1, "256.1.1.1"),
        (1, "1.2.3"),
        (1, "203.0.113.9:8080"),
        (1, "１.2.3.4"),
        (1, "<script>"),
        (1, "010.0.0.1"),
        (2, ", , ,"),
    ],
)
def test_a_chain_that_is_too_short_or_no_address_falls_back_to_the_peer(seen, proxies, forwarded):
    assert seen(proxies, forwarded) == PEER


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
    assert seen(1, address) == (expected or PEER)


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
