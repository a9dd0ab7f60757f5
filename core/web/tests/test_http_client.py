"""The client for other services, against services on loopback."""

import json
import threading
import time
from contextlib import suppress

import pytest
from prometheus_client import REGISTRY

from core.tests.interpreter import django_python
from core.tests.parallel import together
from core.tests.ports import free_port
from core.tests.raw_service import raw_service, replies, reply
from core.web import request_context as context
from core.web.http_client import (
    CircuitOpen,
    ConnectFailed,
    ConnectionLost,
    HttpClient,
    Limits,
    ResponseTooLarge,
    TimedOut,
    UnreadableResponse,
    UrlRefused,
)

OK = reply(body=b'{"a": 1}')
SHORT = Limits(connect=0.5, read=0.3, total=0.8, size=1000)


@pytest.fixture
def client():
    return HttpClient("tests", allow_private=True, limits=Limits(total=10, size=1000))


@pytest.fixture
def hurried():
    return HttpClient("tests", allow_private=True, limits=SHORT)


@pytest.fixture
def patient():
    return HttpClient("tests", allow_private=True, limits=Limits(total=10))


def url(service, path="/"):
    return f"http://{service.address}:{service.port}{path}"


def origin(service):
    return f"http://{service.address}:{service.port}"


def until_stopped(service_of, head=b"", drip=b""):
    """Return an `answer` that sends `head`, then `drip` twenty times a second until the client or the test ends."""

    def answer(connection, _request):
        connection.sendall(head)
        service = service_of()
        with suppress(OSError):
            while not service.stopped.wait(0.05):
                connection.sendall(drip)

    return answer


def test_a_response_of_any_status_is_returned(client):
    with raw_service(replies(reply("404 Not Found", b"none", "X-A: b"))) as service:
        response = client.request("GET", url(service, "/a?b=c"))

    assert (response.status, response.body, response.headers["x-a"]) == (404, b"none", "b")
    assert service.requests[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")


def test_json_is_sent_and_read(client):
    with raw_service(replies(OK)) as service:
        assert client.request("POST", url(service), json={"x": "é"}).json() == {"a": 1}

    head, _, body = service.requests[0].partition(b"\r\n\r\n")
    assert body == '{"x":"é"}'.encode()
    assert b"Content-Type: application/json" in head


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n",
    ],
    ids=["before the head", "in a header", "in the body", "in a body of known length"],
)
@pytest.mark.parametrize("drip", [b"", b"a"], ids=["silent", "slow"])
def test_a_service_that_does_not_end_is_given_up(hurried, head, drip):
    services = []
    with raw_service(until_stopped(lambda: services[0], head, drip)) as service:
        services.append(service)
        started = time.monotonic()
        with pytest.raises(TimedOut):
            hurried.request("GET", url(service))

        assert time.monotonic() - started < SHORT.total + 0.7


def test_one_hundred_interim_responses_do_not_extend_the_deadline(hurried):
    services = []
    with raw_service(until_stopped(lambda: services[0], drip=b"HTTP/1.1 100 Continue\r\n\r\n")) as service:
        services.append(service)
        with pytest.raises(TimedOut):
            hurried.request("GET", url(service))


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"SSH-2.0-OpenSSH\r\n",
    ],
    ids=["nothing", "half a line", "half a body", "half a chunk", "not HTTP"],
)
def test_a_response_that_breaks_off_is_an_error(client, sent):
    with raw_service(replies(sent)) as service, pytest.raises(ConnectionLost):
        client.request("GET", url(service))


@pytest.mark.parametrize(
    "sent",
    [
        reply(body=b"a" * 1001),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 5000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"3e8\r\n"
        + b"a" * 1000
        + b"\r\n1\r\na\r\n",
    ],
    ids=["declared", "until the end", "in chunks"],
)
def test_a_body_beyond_the_limit_is_not_read(client, sent):
    with raw_service(replies(sent)) as service, pytest.raises(ResponseTooLarge):
        client.request("GET", url(service))


def test_an_endless_body_ends_at_the_limit(client):
    services = []
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    with raw_service(until_stopped(lambda: services[0], head, b"a" * 5000)) as service:
        services.append(service)
        with pytest.raises(ResponseTooLarge):
            client.request("GET", url(service))


def test_a_body_of_the_limit_is_read(client):
    with raw_service(replies(reply(body=b"a" * 1000))) as service:
        assert len(client.request("GET", url(service)).body) == 1000


def test_a_compressed_response_is_refused(client):
    sent = reply("200 OK", b"x", "Content-Encoding: gzip")
    with raw_service(replies(sent)) as service, pytest.raises(UnreadableResponse, match="compressed"):
        client.request("GET", url(service))


def test_a_closed_port_is_a_connection_that_failed(client):
    with pytest.raises(ConnectFailed, match="does not accept"):
        client.request("GET", f"http://127.0.0.1:{free_port()}/")


def test_the_next_address_is_tried_where_one_accepts_no_connection():
    with raw_service(replies(OK)) as service:
        client = HttpClient("tests", allow_private=True, resolve=lambda *_: ["127.0.0.3", "127.0.0.1"])

        assert client.request("GET", f"http://two.test:{service.port}/").status == 200


# --- retries ---------------------------------------------------------------------------------------


def test_a_safe_request_is_repeated_until_it_succeeds(patient):
    with raw_service(replies(b"", reply("503 Service Unavailable", b"", "Retry-After: 0"), OK)) as service:
        assert patient.request("GET", url(service), retries=2).status == 200
        assert len(service.requests) == 3


@pytest.mark.parametrize(("unsafe", "requests"), [(False, 1), (True, 2)])
def test_a_post_is_repeated_only_if_the_caller_says_so(patient, unsafe, requests):
    busy = reply("503 Service Unavailable", b"", "Retry-After: 0")
    with raw_service(replies(busy, OK)) as service:
        patient.request("POST", url(service), body=b"a", retries=1, retry_unsafe=unsafe)

        assert len(service.requests) == requests


def test_a_post_that_lost_its_connection_is_not_repeated(patient):
    with raw_service(replies(b"", OK)) as service, pytest.raises(ConnectionLost):
        patient.request("POST", url(service), body=b"a", retries=3)

    assert len(service.requests) == 1


def test_a_post_of_which_nothing_was_sent_is_repeated():
    lookups = []

    def resolve(_host, _seconds):
        lookups.append(1)
        return ["127.0.0.3"] if len(lookups) == 1 else ["127.0.0.1"]

    with raw_service(replies(OK)) as service:
        client = HttpClient("tests", allow_private=True, resolve=resolve)

        assert client.request("POST", f"http://a.test:{service.port}/", retries=1).status == 200


@pytest.mark.parametrize("value", ["60", "9" * 5000, "Fri, 31 Dec 2999 23:59:59 GMT"])
def test_a_wait_beyond_the_deadline_is_not_begun(value):
    client = HttpClient("tests", allow_private=True, limits=Limits(total=5))
    with raw_service(replies(reply("429 Too Many Requests", b"", f"Retry-After: {value}"))) as service:
        started = time.monotonic()
        assert client.request("GET", url(service), retries=1).status == 429

        assert time.monotonic() - started < 4  # neither the wait, nor that until the deadline
        assert len(service.requests) <= 2


def test_the_service_says_how_long_a_retry_waits(patient):
    with raw_service(replies(reply("429 Too Many Requests", b"", "Retry-After: 1"), OK)) as service:
        started = time.monotonic()
        assert patient.request("GET", url(service), retries=1).status == 200

    assert time.monotonic() - started >= 1


# --- the circuit breaker ---------------------------------------------------------------------------


def test_a_host_that_fails_is_not_tried_until_one_call_has_succeeded():
    client = HttpClient("tests", allow_private=True, failures=3)
    with raw_service(replies(b"", b"", b"", OK)) as service:
        for _ in range(3):
            with pytest.raises(ConnectionLost):
                client.request("GET", url(service))
        with pytest.raises(CircuitOpen):
            client.request("GET", url(service))
        assert len(service.requests) == 3

        client.breakers.of(origin(service)).closed_at = 0.0  # its seconds are over
        assert client.request("GET", url(service)).status == 200
        assert client.request("GET", url(service)).status == 200


def test_one_call_at_a_time_tries_a_host_that_has_failed():
    client = HttpClient("tests", allow_private=True, failures=1)
    release = threading.Event()

    def answer(connection, _request):
        if len(service.requests) > 1:
            release.wait(10)
            connection.sendall(OK)

    with raw_service(answer) as service:
        with pytest.raises(ConnectionLost):
            client.request("GET", url(service))
        client.breakers.of(origin(service)).closed_at = 0.0
        results = []

        def call():
            try:
                results.append(client.request("GET", url(service)).status)
            except CircuitOpen:
                results.append("open")
                if results.count("open") == 4:
                    release.set()

        together(*[call] * 5)

    assert sorted(map(str, results)) == ["200", *["open"] * 4]


def test_the_failures_of_one_host_do_not_close_another():
    client = HttpClient("tests", allow_private=True, failures=1)
    with raw_service(replies(b"")) as broken, raw_service(replies(OK)) as other:
        with pytest.raises(ConnectionLost):
            client.request("GET", url(broken))

        assert client.request("GET", url(other)).status == 200


# --- redirects -------------------------------------------------------------------------------------


def moved(location, status="302 Found"):
    return reply(status, b"", f"Location: {location}")


def test_a_redirect_is_a_response_by_default(client):
    with raw_service(replies(moved("/b"), OK)) as service:
        assert client.request("GET", url(service)).status == 302


def test_a_redirect_on_the_same_origin_keeps_the_headers(client):
    with raw_service(replies(moved("/b?c"), OK)) as service:
        client.request("GET", url(service, "/a"), headers={"Authorization": "Bearer s"}, redirects=1)

    assert service.requests[1].startswith(b"GET /b?c ")
    assert b"Authorization: Bearer s" in service.requests[1]


def test_credentials_are_not_sent_to_another_origin(client):
    secrets = {"Authorization": "Bearer s", "Cookie": "a=s", "X-Api-Key": "s", "Accept": "text/plain"}
    with raw_service(replies(OK)) as other, raw_service(replies(moved(url(other)))) as service:
        client.request("GET", url(service), headers=secrets, redirects=1)

    names = {line.split(b":")[0].lower() for line in other.requests[0].split(b"\r\n")[1:]}
    assert names.isdisjoint({b"authorization", b"cookie", b"x-api-key"})
    assert b"accept" in names


def test_a_body_is_not_sent_to_another_origin(client):
    with raw_service(replies(OK)) as other:
        redirect = moved(url(other), "307 Temporary Redirect")
        with raw_service(replies(redirect)) as service, pytest.raises(UrlRefused, match="body"):
            client.request("POST", url(service), body=b"secret", redirects=1)

    assert other.requests == []


@pytest.mark.parametrize("location", ["http://[", "http://[::1", "//[x]/"])
def test_a_redirect_that_is_no_url_is_refused(client, location):
    with raw_service(replies(moved(location))) as service, pytest.raises(UrlRefused):
        client.request("GET", url(service), redirects=1)


def test_a_chunk_of_a_negative_length_is_refused(client):
    broken = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n0\r\n\r\n"
    with raw_service(replies(broken)) as service, pytest.raises(UnreadableResponse):
        client.request("GET", url(service))


def test_a_loop_of_redirects_ends(client):
    with raw_service(replies(moved("/"))) as service, pytest.raises(UrlRefused, match="More than 3"):
        client.request("GET", url(service), redirects=3)

    assert len(service.requests) == 4


# --- what is said about a call ----------------------------------------------------------------------


def test_the_request_id_is_sent(client):
    token = context.current.set(context.RequestContext(request_id="r-1"))
    try:
        with raw_service(replies(OK)) as service:
            client.request("GET", url(service))
    finally:
        context.current.reset(token)

    assert b"X-Request-ID: r-1\r\n" in service.requests[0]


def test_a_metric_counts_the_outcome(client):
    labels = {"integration": "tests", "outcome": "2xx"}
    before = REGISTRY.get_sample_value("outgoing_requests_total", labels) or 0
    with raw_service(replies(OK)) as service:
        client.request("GET", url(service))

    assert REGISTRY.get_sample_value("outgoing_requests_total", labels) == before + 1


CALL = """
from core.web.http_client import HttpClient, OutgoingError
client = HttpClient("tests", allow_private=True)
client.request("POST", "{origin}/hook/secret?key=secret", headers={{"Authorization": "secret"}})
try:
    client.request("GET", "http://127.0.0.1:{closed}/secret")
except OutgoingError:
    pass
"""


def test_each_call_has_one_line_without_its_secrets():
    with raw_service(replies(OK)) as service:
        script = CALL.format(origin=origin(service), closed=free_port())
        done = django_python(script, LOG_LEVEL="INFO", LOG_FORMAT="json")
    lines = [
        line for line in map(json.loads, done.stderr.splitlines()) if line["message"] == "outgoing_request"
    ]

    assert [(line["method"], line["outcome"], line["status"], line["attempts"]) for line in lines] == [
        ("POST", "2xx", 200, 1),
        ("GET", "connect_failed", None, 1),
    ]
    assert lines[0]["origin"] == origin(service)
    assert "secret" not in done.stderr


def test_a_header_cannot_be_injected(client):
    with raw_service(replies(OK)) as service, pytest.raises(ValueError, match="header"):
        client.request("GET", url(service), headers={"X-A": "b\r\nX-C: d"})

    assert service.requests == []


def test_no_proxy_of_the_environment_is_used(client, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with raw_service(replies(OK)) as service:
        assert client.request("GET", url(service)).status == 200


def test_twenty_threads_share_a_client(patient):
    def answer(connection, request):
        connection.sendall(reply(body=request.split(b" ")[1]))

    with raw_service(answer) as service:
        calls = [lambda n=n: patient.request("GET", url(service, f"/{n}")).body for n in range(20)]

        assert together(*calls) == [f"/{n}".encode() for n in range(20)]
