"""The RSGI application that granian serves: it runs the WSGI application in a few threads.

The event loop reads each request, body included, within a deadline. A thread is taken only for a request that is
complete. A request that no thread takes within MAX_WAIT_SECONDS is refused with 503, and the loop alone responds to
liveness probes, so neither waits behind slow statements, hashes or clients. Header names with an underscore are
dropped: in CGI `X_Forwarded_For` and `X-Forwarded-For` have the same name.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import lru_cache
from itertools import chain
from typing import Any
from wsgiref.util import FileWrapper

import structlog
from corsheaders.middleware import CorsMiddleware
from django.http import HttpRequest, HttpResponse
from granian.rsgi import ProtocolError

from core.web import metrics
from core.web import request_context as context
from core.web.bodies import BodyCounter, read_body
from core.web.errors import ApiError, error_response, is_exhausted
from core.web.health import live
from core.web.security_headers import SECURITY_HEADERS

# Threads of one process take the interpreter from each other, and each has a connection of its own. So as long as
# requests are quick, two threads serve them all. One that waits longer than this gets another thread.
HOT_THREADS = 2
HOT_WAIT_SECONDS = 0.05
MAX_WAIT_SECONDS = 2.0
MAX_WAITING = 200  # requests of one process that wait for a thread
REPORT_SECONDS = 1.0
SEND_SECONDS = 30.0  # in which a client must take each part of a streamed response
LIVENESS_PATHS = {"/health", "/health/live"}
OVERLOADED = ApiError("SERVICE_UNAVAILABLE", retry_after=round(MAX_WAIT_SECONDS))
MALFORMED, TOO_SLOW, BROKEN = map(ApiError, ("MALFORMED_REQUEST", "REQUEST_TIMEOUT", "INTERNAL_ERROR"))
NO_REQUEST_ID = "0" * 32

log = structlog.get_logger(__name__)

Headers = list[tuple[str, str]]
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Exchange:
    """One request, and the response of the WSGI application to it."""

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.protocol, self.loop = protocol, loop
        self.status, self.headers = 500, Headers()
        self.written: list[bytes] = []
        self.streams = False

    def start_response(self, status: str, headers: Headers, _exc_info: Any = None) -> Callable[[bytes], None]:
        self.status, self.headers = int(status[:3]), headers
        return self.written.append

    def run(self, application: Application, environ: dict[str, Any]) -> bytes | FileWrapper | None:
        """Call the application, in a thread. Return the body, or None when its parts have been sent already."""
        result = application(environ, self.start_response)
        if isinstance(result, FileWrapper):  # the loop sends a file, so that a slow client holds no thread
            return result
        try:
            parts = iter(result)
            first = next(parts, b"")  # before `written` is read: the application may be a generator
            body = b"".join((*self.written, first))
            if ("content-length", str(len(body))) in ((name.lower(), value) for name, value in self.headers):
                return body
            transport = self.on_loop(self.begin())
            for part in chain((body,), parts):
                if part:
                    self.on_loop(send_part(transport, part))
            return None
        finally:
            if hasattr(result, "close"):
                result.close()

    async def begin(self) -> Any:
        self.streams = True
        return self.protocol.response_stream(self.status, self.headers)

    def on_loop(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(SEND_SECONDS)

    async def send_file(self, chunks: FileWrapper) -> None:
        transport = await self.begin()
        parts = iter(chunks)
        while chunk := await asyncio.to_thread(next, parts, b""):
            await asyncio.wait_for(send_part(transport, chunk), SEND_SECONDS)


async def send_part(transport: Any, part: bytes) -> None:
    await transport.send_bytes(part)


class Server:
    """Runs `application` in `threads` threads of each process.

    Of the requests to a path in `slots` only so many run at once. The others wait on the loop, so that they do not
    occupy the threads of other requests.
    """

    def __init__(
        self, application: Application, threads: int, slots: Mapping[str, int] | None = None
    ) -> None:
        self.slots = {path: asyncio.Semaphore(number) for path, number in (slots or {}).items()}
        self.application = application
        hot = min(HOT_THREADS, threads)
        self.hot_slots = asyncio.Semaphore(hot)
        self.hot = self.others = ThreadPoolExecutor(hot, thread_name_prefix="request")
        if threads > hot:
            self.others = ThreadPoolExecutor(threads - hot, thread_name_prefix="other-request")
        self.threads, self.limit = threads, threads + MAX_WAITING
        self.bodies = BodyCounter()
        self.accepted = 0  # running or waiting; touched by the loop alone

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.report(loop)

    def report(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write the gauges of this process, each second: a step for each request would cost a hundredth of it."""
        metrics.server_threads.set(self.threads)
        metrics.server_requests.set(self.accepted)
        loop.call_later(REPORT_SECONDS, self.report, loop)

    def __rsgi_del__(self, _loop: asyncio.AbstractEventLoop) -> None:
        self.hot.shutdown()
        self.others.shutdown()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        environ = environ_of(scope)
        if scope.path in LIVENESS_PATHS and scope.method in {"GET", "HEAD"}:
            return send(protocol, environ, live(HttpRequest()))
        if scope.http_version == "1.1" and "HTTP_HOST" not in environ:  # RFC 9112, 3.2
            return refuse(protocol, environ, MALFORMED)
        try:
            declared = declared_length(environ)
            with self.bodies.counted(environ) if declared != 0 else nullcontext():
                body, length = await read_body(protocol, declared)
        except TimeoutError:
            return refuse(protocol, environ, TOO_SLOW)
        except ApiError as error:
            return refuse(protocol, environ, error)
        except ProtocolError:
            return None  # the client has gone
        with body:
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = body, str(length)
            return await self.respond(protocol, environ)

    async def respond(self, protocol: Any, environ: dict[str, Any]) -> None:
        if self.accepted >= self.limit:
            return refuse(protocol, environ, OVERLOADED)
        loop = asyncio.get_running_loop()
        exchange = Exchange(protocol, loop)
        slots = self.slots.get(environ["PATH_INFO"].rstrip("/"))
        self.accepted += 1
        has_slot = is_hot = False
        try:
            if slots is not None:
                has_slot = await acquire(slots, MAX_WAIT_SECONDS)
                if not has_slot:
                    return refuse(protocol, environ, OVERLOADED)
            is_hot = await acquire(self.hot_slots, HOT_WAIT_SECONDS)
            threads = self.hot if is_hot else self.others
            running = threads.submit(exchange.run, self.application, environ)
            timeout = loop.call_later(MAX_WAIT_SECONDS, running.cancel)  # does nothing once it runs
            result = await asyncio.wrap_future(running)
            timeout.cancel()
        except asyncio.CancelledError:
            return refuse(protocol, environ, OVERLOADED)
        except Exception as error:
            log.exception("application_failed", path=environ["PATH_INFO"])
            known = OVERLOADED if is_exhausted(error) else BROKEN
            return None if exchange.streams else refuse(protocol, environ, known)
        finally:
            self.accepted -= 1
            if is_hot:
                self.hot_slots.release()
            if slots is not None and has_slot:
                slots.release()
        if isinstance(result, bytes):
            protocol.response_bytes(exchange.status, exchange.headers, result)
        elif result is not None:
            try:
                await exchange.send_file(result)
            finally:
                await loop.run_in_executor(self.others, result.close)
        return None


async def acquire(slots: asyncio.Semaphore, seconds: float) -> bool:
    """Return whether a slot was free within so many seconds."""
    if not slots.locked():
        return await slots.acquire()
    try:
        async with asyncio.timeout(seconds):
            return await slots.acquire()
    except TimeoutError:
        return False


def declared_length(environ: dict[str, Any]) -> int | None:
    """Return the length of the body, or None where only its end shows it. In HTTP/2 that is every body; a GET without a
    Content-Length has none, and does not count as one."""
    if environ["SERVER_PROTOCOL"].startswith("HTTP/2"):
        has_none = "CONTENT_LENGTH" not in environ and environ["REQUEST_METHOD"] in {"GET", "HEAD", "OPTIONS"}
        return 0 if has_none else None
    return None if "HTTP_TRANSFER_ENCODING" in environ else int(environ.get("CONTENT_LENGTH", "0"))


def environ_of(scope: Any) -> dict[str, Any]:
    """Return the environment of PEP 3333, without a body."""
    client, _, port = scope.client.rpartition(":")
    server_name, _, server_port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "SERVER_NAME": server_name,
        "SERVER_PORT": server_port,
        "REMOTE_ADDR": client.strip("[]"),
        "REMOTE_PORT": port,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
    }
    if scope.authority:
        environ["HTTP_HOST"] = scope.authority
    for name, value in scope.headers.items():
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
            key = f"HTTP_{key}"
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value
    return environ


def refuse(protocol: Any, environ: dict[str, Any], error: ApiError) -> None:
    """Respond to a request that no thread has taken."""
    metrics.refused_total.labels(str(error.status)).inc()
    request_id = context.request_id_of(environ)
    path = environ["PATH_INFO"]
    if path.startswith("/api/"):
        status, headers, content = refusal(error, "/api/", "", environ.get("HTTP_ORIGIN", ""))
    else:
        status, headers, content = refusal(error, "/", environ.get("HTTP_ACCEPT", ""), "")
    content = content.replace(NO_REQUEST_ID.encode(), request_id.encode())
    protocol.response_bytes(
        status, [*headers, ("Content-Length", str(len(content))), ("X-Request-ID", request_id)], content
    )
    log.warning(
        "request_refused", requestId=request_id, method=environ["REQUEST_METHOD"], path=path, status=status
    )


@lru_cache(maxsize=64)
def refusal(error: ApiError, path: str, accept: str, origin: str) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of a refusal, with NO_REQUEST_ID in it: a server that has too much to do makes
    many of them. Scripts of an allowed origin may read it."""
    token = context.current.set(context.RequestContext(request_id=NO_REQUEST_ID))
    request = HttpRequest()
    request.META, request.path_info = {"HTTP_ACCEPT": accept}, path
    if origin:
        request.META["HTTP_ORIGIN"] = origin
    response: Any = CorsMiddleware(lambda refused: error_response(error, refused))(request)
    context.current.reset(token)
    return response.status_code, headers_of(response), response.content


def send(protocol: Any, environ: dict[str, Any], response: HttpResponse) -> None:
    """Send a response that the loop has made by itself."""
    length, request_id = str(len(response.content)), context.request_id_of(environ)
    headers = [*headers_of(response), ("Content-Length", length), ("X-Request-ID", request_id)]
    protocol.response_bytes(response.status_code, headers, response.content)


def headers_of(response: HttpResponse) -> Headers:
    return list({**SECURITY_HEADERS, **response.headers, "Cache-Control": "no-store"}.items())
