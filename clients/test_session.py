"""The session against a transport of its own, which records what it was sent: `python -m unittest test_session`."""

import threading
import unittest
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
from session import REFRESH, Pair, Repeating, Session, connect, new_key

BASE = "http://api.example"
OLD, NEW = Pair("A0", "R0"), Pair("A1", "R1")
Reply = Callable[[httpx.Request], httpx.Response]


def failed(status: int, code: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"success": False, "error": {"code": code}}, headers=named)


def rotated(request: httpx.Request) -> httpx.Response:
    """Return the response of a server for which A0 has expired, and whose refresh returns A1."""
    if request.url.path == REFRESH:
        return httpx.Response(
            200, json={"data": {"tokens": {"accessToken": NEW.access, "refreshToken": NEW.refresh}}}
        )
    if request.headers.get("Authorization") == f"Bearer {NEW.access}":
        return httpx.Response(200, json={"data": {}})
    return failed(401, "TOKEN_EXPIRED")


class Server(httpx.BaseTransport):
    """Replies by a function, and records method, path and token of each request."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.sent: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        token = request.headers.get("Authorization", "-")
        self.sent.append(f"{request.method} {request.url.path} {token}")
        return self.reply(request)


class SessionTest(unittest.TestCase):
    def setUp(self) -> None:
        self.stored: list[Pair | None] = []

    def client(self, reply: Reply, session: Session | None = None) -> httpx.Client:
        self.server = Server(reply)
        self.session = session or Session(BASE, OLD, self.stored.append)
        client = httpx.Client(base_url=BASE, auth=self.session, transport=Repeating(self.server))
        self.addCleanup(client.close)
        return client

    def test_threads_refresh_once(self) -> None:
        client = self.client(rotated)
        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(lambda _n: client.get("/me").status_code, range(4)))

        assert (statuses, self.stored) == ([200] * 4, [NEW])

    def test_a_log_out_during_a_refresh_is_not_undone(self) -> None:
        began, ended = threading.Event(), threading.Event()

        def reply(request: httpx.Request) -> httpx.Response:
            if request.url.path == REFRESH:
                began.set()
            return rotated(request)

        client = self.client(reply)

        def end() -> None:
            began.wait(10)
            self.session.end()  # waits for the refresh
            ended.set()

        thread = threading.Thread(target=end)
        thread.start()
        client.get("/me")
        thread.join(10)

        assert ended.is_set()
        assert self.stored[-1] is None
        assert client.get("/me").status_code == 401
        assert self.server.sent[-1] == "GET /me -"

    def test_another_server_gets_no_token_and_causes_no_refresh(self) -> None:
        client = self.client(lambda _request: failed(401, "TOKEN_EXPIRED"))
        client.get("http://files.example/signed", headers={"Authorization": "Bearer A0"})

        assert self.server.sent == ["GET /signed -"]

    def test_a_redirect_to_another_server_causes_no_refresh(self) -> None:
        def reply(request: httpx.Request) -> httpx.Response:
            if request.url.host == "files.example":
                return failed(401, "TOKEN_EXPIRED")
            return httpx.Response(302, headers={"Location": "http://files.example/f"})

        client = self.client(reply)
        assert client.get("/file", follow_redirects=True).status_code == 401
        assert self.server.sent == ["GET /file Bearer A0", "GET /f -"]

    def test_a_pair_that_could_not_be_stored_is_stored_by_the_next_request(self) -> None:
        is_full = True

        def store(pair: Pair | None) -> None:
            if is_full:
                raise OSError("the disk is full")
            self.stored.append(pair)

        client = self.client(rotated, Session(BASE, OLD, store))
        with self.assertRaisesRegex(OSError, "disk is full"):  # noqa: PT027 - no pytest here
            client.get("/me")
        is_full = False

        assert client.get("/me").status_code == 200
        assert self.stored == [NEW]
        assert [line for line in self.server.sent if REFRESH in line] == [f"POST {REFRESH} -"]

    def test_of_a_session_that_has_ended_the_store_hears_once(self) -> None:
        client = self.client(
            lambda request: failed(401, "TOKEN_REVOKED" if request.url.path == REFRESH else "TOKEN_EXPIRED")
        )
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _n: client.get("/me"), range(4)))
        client.get("/me")

        assert self.stored == [None]

    def test_a_refresh_has_a_time_limit_of_its_own_and_is_not_repeated_after_the_grace(self) -> None:
        limits = []

        def reply(request: httpx.Request) -> httpx.Response:
            if request.url.path != REFRESH:
                return rotated(request)
            limits.append(request.extensions["timeout"]["read"])
            return failed(503, "SERVICE_UNAVAILABLE", Retry_After="15")

        assert self.client(reply).get("/me").status_code == 401
        assert limits == [3]

    def test_a_write_is_sent_again_only_under_an_idempotency_key(self) -> None:
        def reply(_request: httpx.Request) -> httpx.Response:
            if len(self.server.sent) == 1:
                raise httpx.ReadError("the connection is gone")
            return httpx.Response(201, json={"data": {}})

        with self.assertRaises(httpx.ReadError):  # noqa: PT027 - no pytest here
            self.client(reply).post("/pay", json={})
        key = {"Idempotency-Key": new_key()}
        assert self.client(reply).post("/pay", json={}, headers=key).status_code == 201

    def test_a_generated_client_has_a_time_limit(self) -> None:
        with connect(BASE, Session(BASE, OLD)) as client:
            assert client.get_httpx_client().timeout.read == 30


if __name__ == "__main__":
    unittest.main()
