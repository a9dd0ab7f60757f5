"""core/web/server.py in a real granian process."""

import json
import select
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from django.conf import settings

from core.tests.granian_server import SECONDS, Blocker, serving
from core.tests.waiting import wait_until

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def blocker():
    """A socket that a blocking application connects to and waits for. `accept` returns when it has."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        yield Blocker(listener)


@pytest.fixture
def elsewhere():
    with ThreadPoolExecutor(8) as threads:
        yield threads


def test_the_environment_is_that_of_pep_3333(server):
    given = json.loads(server.get("/caf%C3%A9%2F?q=%C3%A9", X__Own="1").content)

    assert (given["PATH_INFO"], given["QUERY_STRING"]) == ("/cafÃ©/", "q=%C3%A9")
    assert (given["REQUEST_METHOD"], given["SERVER_PROTOCOL"]) == ("GET", "HTTP/1.1")
    assert (given["REMOTE_ADDR"], given["HTTP_X_OWN"]) == ("127.0.0.1", "1")


def test_a_name_with_an_underscore_never_counts(server):
    head = b"GET /echo HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 10.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\n"
    with server.send(head + b"Connection: close\r\n\r\n") as connection, connection.makefile("rb") as answer:
        given = json.loads(answer.read().partition(b"\r\n\r\n")[2])

    assert given["HTTP_X_FORWARDED_FOR"] == "192.0.2.1"


def test_a_request_without_a_host_is_refused(server):
    with server.send(b"GET /echo HTTP/1.1\r\nConnection: close\r\n\r\n") as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")


def test_headers_that_come_twice_are_joined(server):
    head = b"GET /echo HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2\r\nX-A: 1\r\nX-A: 2\r\n"
    with server.send(head + b"Connection: close\r\n\r\n") as connection, connection.makefile("rb") as answer:
        given = json.loads(answer.read().partition(b"\r\n\r\n")[2])

    assert (given["HTTP_COOKIE"], given["HTTP_X_A"]) == ("a=1; b=2", "1,2")


def test_a_response_keeps_headers_that_come_twice(server):
    assert server.get("/echo").headers.get_all("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("body", [b"x" * 10, iter([b"x" * 5, b"x" * 5])])
def test_a_body_has_its_length_also_when_it_comes_in_chunks(server, body):
    given = json.loads(server.request("POST", "/echo", body).content)

    assert (given["body"], given["CONTENT_LENGTH"]) == ("x" * 10, "10")


def test_a_body_beyond_every_limit_is_not_read(server):
    length = str(settings.MAX_BODY_BYTES + 1)
    given = json.loads(server.request("POST", "/echo", b"x", Content__Length=length).content)

    assert (given["body"], given["CONTENT_LENGTH"]) == ("", length)


def test_what_write_is_given_comes_first(server):
    answer = server.get("/written")

    assert (answer.status, answer.content) == (201, b"by write, by iterable")


def test_a_stream_is_sent_as_it_is_made(server, blocker):
    request = f"GET /stream?{blocker.port} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with server.send(request) as connection, connection.makefile("rb") as answer:
        assert any(b"first " in line for line in answer)  # ends with the stream or the time-out of the socket
        blocker.accept()
        blocker.release(b"second")
        assert any(b"second" in line for line in answer)


def test_a_head_request_has_no_body(server, tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 1000)
    answer = server.request("HEAD", f"/file?{tmp_path / 'file'}")

    assert (answer.headers["Content-Length"], answer.content) == ("1000", b"")


def test_a_client_that_reads_slowly_holds_no_thread(server, tmp_path):
    large = tmp_path / "file"
    large.write_bytes(b"x" * 32 * 1024 * 1024)
    with server.send(f"GET /file?{large} HTTP/1.1\r\nHost: a\r\n\r\n".encode()) as slow:
        slow.recv(1)

        assert server.get("/echo").status == 200


def test_a_client_that_sends_slowly_holds_no_thread(server):
    with server.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx"):
        assert server.get("/echo").status == 200


def test_a_body_that_does_not_come_is_a_408(server):
    with server.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx") as slow:
        answer = slow.recv(4096)

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"REQUEST_TIMEOUT" in answer


def test_of_one_address_64_bodies_are_read_at_once(server):
    half = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx"
    with ExitStack() as stack:
        several = [stack.enter_context(server.send(half)) for _ in range(65)]
        [refused], _, _ = select.select(several, [], [], SECONDS)
        answer = refused.recv(4096)
        assert answer.startswith(b"HTTP/1.1 429")
        assert b"RATE_LIMITED" in answer

        assert server.get("/echo").status == 200  # no body
        elsewhere = stack.enter_context(
            socket.create_connection(("127.0.0.1", server.port), SECONDS, ("127.0.0.2", 0))
        )
        elsewhere.sendall(half + b"y")
        assert elsewhere.recv(12) == b"HTTP/1.1 200"

        several.remove(refused)
        several[0].sendall(b"y")
        assert several[0].recv(12) == b"HTTP/1.1 200"
        again = stack.enter_context(server.send(half + b"y"))
        assert again.recv(12) == b"HTTP/1.1 200"


def test_liveness_waits_for_no_thread_and_others_are_refused_in_time(server, blocker, elsewhere):
    blocked = elsewhere.submit(server.get, f"/block?{blocker.port}")
    blocker.accept()
    waiting = [elsewhere.submit(server.get, "/echo") for _ in range(3)]
    started = time.monotonic()
    live = server.get("/health/live")
    lived_after = time.monotonic() - started
    refused = [future.result(SECONDS) for future in waiting]
    blocker.release(b"done")

    assert (live.status, lived_after < 1) == (200, True)
    assert [(answer.status, answer.headers["Retry-After"]) for answer in refused] == [(503, "2")] * 3
    assert blocked.result(SECONDS).content == b"done"
    assert server.get("/echo").status == 200


def test_requests_to_a_slow_path_wait_without_a_thread(tmp_path, blocker, elsewhere):
    with serving(tmp_path, SERVED="slots") as server:
        first = elsewhere.submit(server.get, f"/block?{blocker.port}")
        blocker.accept()
        others = [elsewhere.submit(server.get, f"/block/?{blocker.port}") for _ in range(3)]

        assert server.get("/echo").status == 200
        refused = [other.result(SECONDS) for other in others]
        assert [(answer.status, answer.headers["Retry-After"]) for answer in refused] == [(503, "2")] * 3
        blocker.release(b"done")
        assert first.result(SECONDS).content == b"done"
        next_one = elsewhere.submit(server.get, f"/block?{blocker.port}")
        blocker.accept()
        blocker.release(b"again")
        assert next_one.result(SECONDS).content == b"again"


def test_requests_beside_slow_ones_get_another_thread(tmp_path, blocker, elsewhere):
    with serving(tmp_path, SERVED="threads") as server:
        slow = [elsewhere.submit(server.get, f"/block?{blocker.port}") for _ in range(2)]
        for _ in slow:
            blocker.accept()

        assert server.get("/echo").status == 200
        for _ in slow:
            blocker.release(b"done")
        assert [answer.result(SECONDS).content for answer in slow] == [b"done"] * 2


def test_a_failure_outside_of_django_is_a_500_in_the_envelope(server):
    answer = server.get("/broken")

    assert answer.status == 500
    assert json.loads(answer.content)["error"]["code"] == "INTERNAL_ERROR"
    assert server.get("/echo").status == 200


def test_a_client_that_goes_leaves_no_error(server):
    with server.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx"):
        pass

    assert server.get("/echo").status == 200
    assert "RSGIProtocolError" not in server.log.read_text()


def test_a_stop_waits_for_what_is_running(tmp_path, blocker, elsewhere):
    with serving(tmp_path) as server:
        running = elsewhere.submit(server.get, f"/block?{blocker.port}")
        blocker.accept()
        server.process.send_signal(signal.SIGTERM)
        blocker.release(b"finished")

        assert running.result(SECONDS).content == b"finished"
        assert server.process.wait(SECONDS) == 0


@pytest.mark.parametrize("wrapper", ["sentry", "wrapped"])
def test_the_product_runs_under_a_wrapper(tmp_path, wrapper):
    with serving(tmp_path, SERVED=wrapper) as server:
        assert server.get("/", Accept="text/html").status == 200
        assert server.get("/api/v1/schema").status == 200
        assert server.get("/static/admin/css/base.css").status == 200
        refused = server.get("/api/v1/nothing")

    assert (refused.status, json.loads(refused.content)["error"]["code"]) == (404, "NOT_FOUND")


def with_a_request(text):
    """Return the metrics if they are of a second in which a request ran: the gauges are written once in each."""
    return b"\nserver_requests 1.0" in text and text


def test_metrics_show_its_threads_and_what_it_refused(tmp_path):
    with serving(tmp_path, SERVED="wrapped") as server:
        with server.send(b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n") as connection:
            assert b" 400 " in connection.makefile("rb").readline()
        # The gauges are those of the last second, so of a moment in which this request may have run or not.
        text = wait_until(
            lambda: (
                b"\nserver_requests 1.0" in server.get("/metrics").content and server.get("/metrics").content
            )
        )

    assert b"\nserver_threads 2.0" in text
    assert b'\nserver_refused_requests_total{status="400"} 1.0' in text
