"""Boundaries of requests, which a proxy and the server must see alike (request smuggling)."""

import pytest

from core.web.tests.test_server import serving

SECOND = b"GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
AMBIGUOUS = {
    "two lengths": b"Content-Length: 0\r\nContent-Length: 4\r\n\r\n",
    "lengths in one header": b"Content-Length: 0, 4\r\n\r\n",
    "a sign": b"Content-Length: +0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "hexadecimal": b"Content-Length: 0x0\r\n\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n",
    "chunked is not the last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"Content-Length : 0\r\n\r\n",
    "a folded header": b"X-Own: a\r\n b\r\nContent-Length: 0\r\n\r\n",
}
BROKEN_CHUNKS = {
    "no number": b"zz\r\n\r\n0\r\n\r\n",
    "beyond 64 bits": b"10000000000000000\r\n\r\n0\r\n\r\n",
    "negative": b"-1\r\n\r\n0\r\n\r\n",
    "no end of the line": b"1\nab0\r\n\r\n",
    "longer than its size": b"1\r\nab\r\n0\r\n\r\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("boundaries")) as running:
        yield running


def received(server, raw):
    with server.send(raw) as connection, connection.makefile("rb") as response:
        return response.read()


def test_a_second_request_on_the_connection_is_served(server):
    """Check the helper: otherwise the refusals below would prove nothing."""
    raw = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" + SECOND

    assert received(server, raw).count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_after_an_ambiguous_length_nothing_more_is_served(server, kind):
    response = received(server, b"POST /echo HTTP/1.1\r\nHost: a\r\n" + AMBIGUOUS[kind] + SECOND)

    assert b"smuggled" not in response
    assert b" 200 " not in response


@pytest.mark.parametrize("kind", BROKEN_CHUNKS)
def test_after_a_broken_chunk_nothing_more_is_served(server, kind):
    """The body ends where it is broken: granian reports no error to a server that reads by parts."""
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = received(server, head + BROKEN_CHUNKS[kind] + SECOND)

    assert b"smuggled" not in response
    assert response.count(b"HTTP/1.1 ") <= 1


@pytest.mark.parametrize("order", ["length first", "length last"])
def test_with_both_headers_the_chunks_decide(server, order):
    headers = [b"Content-Length: 4\r\n", b"Transfer-Encoding: chunked\r\n"]
    if order == "length last":
        headers.reverse()
    body = b"3\r\nabc\r\n0\r\n\r\n"
    response = received(
        server, b"POST /echo HTTP/1.1\r\nHost: a\r\n" + b"".join(headers) + b"\r\n" + body + SECOND
    )

    assert b'"body": "abc"' in response
    assert response.count(b"HTTP/1.1 ") == 1  # and the connection is closed
    assert b"smuggled" not in response
