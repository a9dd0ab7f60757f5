"""The addresses that the client for other services may connect to (SSRF)."""

import ssl

import pytest

from core.tests.raw_service import raw_service, replies, reply
from core.tests.tls import Authority
from core.web.http_client import AddressRefused, HttpClient, Limits, TlsFailed, UrlRefused
from core.web.http_client.addresses import is_public

OK = reply(body=b"ok")
SHORT = Limits(connect=1, read=1, total=3)

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "4000::1",
]
PUBLIC = ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "LOCALHOST", "0", "0.0.0.0", "127.1", "2130706433", "0x7f000001"),
        *("017700000001", "0x7f.1", "0177.0.0.1", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
        *("[64:ff9b::7f00:1]", "169.254.169.254", "[fd00:ec2::254]", "１２７.0.0.1", "①②⑦.⓪.⓪.①"),
    ],
)
def test_no_form_of_a_private_host_is_requested(host):
    with raw_service(replies(OK)) as service, pytest.raises((AddressRefused, UrlRefused)):
        HttpClient("tests", limits=SHORT).request("GET", f"http://{host}:{service.port}/")

    assert service.requests == []


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["::1", "1.1.1.1"]])
def test_a_name_with_a_private_address_is_refused(addresses):
    client = HttpClient("tests", resolve=lambda _host, _seconds: addresses)

    with pytest.raises(AddressRefused, match="not public"):
        client.request("GET", "http://service.test/")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://a.test/",
            "file:///etc/passwd",
            "gopher://a.test/",
            "a.test",
            "//a.test/",
            "",
            "http://",
            "http:///a",
        ),
        *("http://user:secret@a.test/", "http://a.test:22/", "http://a.test:25/", "https://a.test:1023/"),
        *(
            "http://a.test\\@127.0.0.1/",
            "http://a.test /",
            "http://a.test/\r\nX: y",
            "http://[fe80::1%25eth0]/",
        ),
        *("http://a.test:99999/", "http://a.test/" + "a" * 3000, "http://[::1/", "http://a\u0000.test/"),
    ],
)
def test_a_url_that_is_refused_needs_no_lookup(url):
    lookups = []
    client = HttpClient("tests", resolve=lambda host, _seconds: lookups.append(host))

    with pytest.raises(UrlRefused) as refusal:
        client.request("GET", url)

    assert lookups == []
    assert "secret" not in str(refusal.value)


class Names:
    """A resolver that returns the next list of addresses of a name at each lookup."""

    def __init__(self, **answers):
        self.answers, self.lookups = {f"{name}.test": list(given) for name, given in answers.items()}, []

    def addresses_of(self, host, _seconds):
        self.lookups.append(host)
        return [self.answers[host].pop(0)]


def outside(names, **options):
    """Return a client to which 127.0.0.2 is a public address, and 127.0.0.1 a private one."""
    permits = {"127.0.0.2": True, "127.0.0.1": False}.__getitem__
    return HttpClient("tests", limits=SHORT, resolve=names.addresses_of, permits=permits, **options)


def test_the_address_that_was_checked_is_connected_to():
    """DNS rebinding: a second lookup would return the private address."""
    names = Names(service=["127.0.0.2", "127.0.0.1", "127.0.0.1"])
    with raw_service(replies(OK), address="127.0.0.2") as service:
        response = outside(names).request("GET", f"http://service.test:{service.port}/")

    assert response.body == b"ok"
    assert names.lookups == ["service.test"]
    assert f"Host: service.test:{service.port}".encode() in service.requests[0]


def test_a_retry_checks_the_address_anew():
    names = Names(service=["127.0.0.2", "127.0.0.1"])
    with raw_service(replies(b"", OK), address="127.0.0.2") as service, pytest.raises(AddressRefused):
        outside(names).request("GET", f"http://service.test:{service.port}/", retries=1)

    assert names.lookups == ["service.test"] * 2


@pytest.mark.parametrize("location", ["http://inside.test:{}/", "//inside.test:{}/"])
def test_a_redirect_to_a_private_address_is_refused(location):
    names = Names(service=["127.0.0.2"], inside=["127.0.0.1"])
    with raw_service(replies(OK)) as inside:
        redirect = reply("302 Found", b"", f"Location: {location.format(inside.port)}")
        with raw_service(replies(redirect), address="127.0.0.2") as service, pytest.raises(AddressRefused):
            outside(names).request("GET", f"http://service.test:{service.port}/", redirects=3)

    assert inside.requests == []


def test_a_redirect_on_the_same_name_checks_the_address_anew():
    names = Names(service=["127.0.0.2", "127.0.0.1"])
    redirect = reply("302 Found", b"", "Location: /again")
    with raw_service(replies(redirect), address="127.0.0.2") as service, pytest.raises(AddressRefused):
        outside(names).request("GET", f"http://service.test:{service.port}/", redirects=1)

    assert len(service.requests) == 1


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://a.test/", "http://u:p@a.test/"])
def test_a_redirect_to_another_scheme_is_refused(location):
    names = Names(service=["127.0.0.2"])
    redirect = reply("302 Found", b"", f"Location: {location}")
    with raw_service(replies(redirect), address="127.0.0.2") as service, pytest.raises(UrlRefused):
        outside(names).request("GET", f"http://service.test:{service.port}/", redirects=1)


# --- TLS -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


def trusting(authority, **options):
    context = ssl.create_default_context(cafile=authority.bundle)
    return HttpClient(
        "tests", limits=SHORT, allow_private=True, tls=context, resolve=lambda *_: ["127.0.0.1"], **options
    )


def test_the_name_is_sent_and_compared_though_the_address_is_fixed(authority):
    server, sent = authority.server_context("service.test"), []
    server.sni_callback = lambda _socket, name, _context: sent.append(name)
    with raw_service(replies(OK), tls=server) as service:
        assert trusting(authority).request("GET", f"https://service.test:{service.port}/").body == b"ok"

    assert sent == ["service.test"]


@pytest.mark.parametrize("name", ["other.test", "127.0.0.1"])
def test_a_certificate_of_another_name_is_refused(authority, name):
    with (
        raw_service(replies(OK), tls=authority.server_context(name)) as service,
        pytest.raises(TlsFailed, match=r"service\.test"),
    ):
        trusting(authority).request("GET", f"https://service.test:{service.port}/", retries=2)

    assert service.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused(authority):
    client = HttpClient("tests", limits=SHORT, allow_private=True, resolve=lambda *_: ["127.0.0.1"])
    with (
        raw_service(replies(OK), tls=authority.server_context("service.test")) as service,
        pytest.raises(TlsFailed),
    ):
        client.request("GET", f"https://service.test:{service.port}/")


def test_a_service_without_tls_is_refused(authority):
    with raw_service(replies(OK), greeting=b"220 ready\r\n") as service, pytest.raises(TlsFailed):
        trusting(authority).request("GET", f"https://service.test:{service.port}/")


def test_a_redirect_to_plain_http_is_refused(authority):
    redirect = reply("302 Found", b"", "Location: http://service.test/")
    with (
        raw_service(replies(redirect), tls=authority.server_context("service.test")) as service,
        pytest.raises(UrlRefused, match="https to http"),
    ):
        trusting(authority).request("GET", f"https://service.test:{service.port}/", redirects=1)
