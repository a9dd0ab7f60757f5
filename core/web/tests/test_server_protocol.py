"""core/web/server.py with an RSGI scope and protocol, without a process."""

import asyncio
import json
import re
from contextlib import ExitStack

import pytest

from core.web import bodies
from core.web.errors import ApiError
from core.web.security_headers import SECURITY_HEADERS
from core.web.server import Server


class Headers:
    def __init__(self, given):
        self.given = given

    def items(self):
        return self.given


class Scope:
    proto, http_version, scheme, authority = "http", "1.1", "http", None
    client, server = "[2001:db8::1]:51234", "127.0.0.1:8000"

    def __init__(self, method="GET", path="/", query="", **headers):
        self.method, self.path, self.query_string = method, path, query
        given = {"host": "testserver", **{name.replace("__", "-"): value for name, value in headers.items()}}
        self.headers = Headers([(name, value) for name, value in given.items() if value is not None])


class Protocol:
    """Keeps what is answered. A transport of its own: parts of a stream come to `parts`."""

    def __init__(self, *chunks, waits=False):
        self.chunks, self.waits, self.parts = chunks, waits, []

    async def __aiter__(self):
        for chunk in self.chunks:
            yield chunk
        if self.waits:
            await asyncio.Event().wait()

    def response_bytes(self, status, headers, body):
        self.status, self.headers, self.body = status, dict(headers), body

    def response_stream(self, status, headers):
        self.status, self.headers = status, dict(headers)
        return self

    async def send_bytes(self, part):
        self.parts.append(part)


def answer(application, scope, protocol=None, *, limit=None):
    protocol = protocol or Protocol()

    async def ask():
        server = Server(application, threads=1)
        if limit is not None:
            server.limit = limit
        await server.__rsgi__(scope, protocol)
        server.__rsgi_del__(asyncio.get_running_loop())

    asyncio.run(ask())
    return protocol


def echo(environ, start_response):
    given = {name: value for name, value in environ.items() if isinstance(value, str)}
    body = json.dumps(given | {"body": environ["wsgi.input"].read().decode()}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def test_scope_and_body_become_an_environment():
    scope = Scope(
        "POST", "/é", "q=1", content__length="4", content__type="text/plain", x_bad="no", cookie="a=1"
    )
    given = json.loads(answer(echo, scope, Protocol(b"te", b"xt")).body)

    assert (given["PATH_INFO"], given["QUERY_STRING"], given["body"]) == ("/Ã©", "q=1", "text")
    assert (given["REMOTE_ADDR"], given["REMOTE_PORT"]) == ("2001:db8::1", "51234")
    assert (given["CONTENT_TYPE"], given["CONTENT_LENGTH"]) == ("text/plain", "4")
    assert "HTTP_X_BAD" not in given


def test_the_authority_of_http_2_is_the_host_and_needs_no_length():
    scope = Scope("POST", host=None)
    scope.http_version, scope.authority = "2", "api.example"
    given = json.loads(answer(echo, scope, Protocol(b"text")).body)

    assert (given["HTTP_HOST"], given["body"]) == ("api.example", "text")


@pytest.mark.parametrize("path", ["/health", "/health/live"])
def test_the_loop_answers_liveness(path):
    assert json.loads(answer(None, Scope(path=path)).body)["status"] == "ok"


def test_what_is_written_and_made_in_parts_is_streamed():
    closed = []

    class Parts(list):
        def close(self):
            closed.append(True)

    def application(_environ, start_response):
        start_response("201 Created", [])(b"written ")
        return Parts([b"one ", b"", b"two"])

    protocol = answer(application, Scope())

    assert (protocol.status, b"".join(protocol.parts), closed) == (201, b"written one two", [True])


def test_a_file_is_sent_in_chunks_and_closed(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 100)
    file = (tmp_path / "file").open("rb")

    def application(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file, 60)

    protocol = answer(application, Scope())

    assert [len(part) for part in protocol.parts] == [60, 40]
    assert file.closed


def broken(_environ, _start_response):
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("application", "scope", "limit", "status", "code"),
    [
        (echo, Scope(host=None), None, 400, "MALFORMED_REQUEST"),
        (echo, Scope(path="/api/v1/x"), 0, 503, "SERVICE_UNAVAILABLE"),
        (broken, Scope(path="/api/v1/x"), None, 500, "INTERNAL_ERROR"),
    ],
)
def test_a_refusal_has_the_envelope(application, scope, limit, status, code):
    protocol = answer(application, scope, limit=limit)

    assert (protocol.status, json.loads(protocol.body)["error"]["code"]) == (status, code)
    assert protocol.headers["X-Request-ID"]


@pytest.mark.parametrize("path", ["/api/v1/x", "/x", "/health"])
def test_what_the_loop_answers_has_the_headers_of_every_response(settings, path):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    scope = Scope(path=path, origin="https://app.example", x__request__id="my-own.1")
    headers = answer(echo, scope, limit=0).headers

    assert headers["X-Request-ID"] == "my-own.1"
    assert SECURITY_HEADERS.items() <= headers.items()
    readable = headers.get("access-control-allow-origin") == "https://app.example"
    assert readable is path.startswith("/api/")

    scope = Scope(path=path, origin="https://other.example", x__request__id="not good")
    headers = answer(echo, scope, limit=0).headers
    assert re.fullmatch("[0-9a-f]{32}", headers["X-Request-ID"])
    assert "access-control-allow-origin" not in headers


def test_a_get_by_http_2_has_no_body_to_wait_for(monkeypatch):
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.01)
    scope = Scope()
    scope.http_version = "2"

    assert answer(echo, scope, Protocol(waits=True)).status == 200


def test_a_body_that_does_not_come_is_a_408(monkeypatch):
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.01)
    protocol = answer(echo, Scope("POST", content__length="9"), Protocol(b"x", waits=True))

    assert protocol.status == 408


def test_bodies_are_counted_by_network_and_leave_no_trace():
    counter = bodies.BodyCounter()

    def counted(address):
        return counter.counted({"REMOTE_ADDR": address, "PATH_INFO": "/"})

    with ExitStack() as unfinished:
        for number in range(bodies.MAX_OF_ADDRESS):
            unfinished.enter_context(counted(f"2001:db8::{number:x}"))
        with pytest.raises(ApiError), counted("2001:db8::ffff"):
            pass
        with counted("2001:db8:0:1::1"):
            pass

    assert not counter.counts
