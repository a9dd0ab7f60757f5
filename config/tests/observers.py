"""The other ends of traces and reports, as servers of the test: a collector of OTLP, and an ingest of Sentry."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from core.tests.ports import free_port


class SentSpan(NamedTuple):
    """One span that has arrived."""

    trace: str
    key: str
    parent: str
    name: str
    kind: int
    service: str
    program: str
    scope: str
    attributes: dict[str, Any]
    links: list[str]  # the traces


class Observer:
    """A server that keeps the bodies of all requests. A silent one takes them and never responds."""

    def __init__(self, *, silent: bool = False) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[Any] = []
        self.silent, self.ended = silent, threading.Event()
        observer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                observer.headers.append(self.headers)
                observer.bodies.append(body)
                if observer.silent:
                    observer.ended.wait()
                    return
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                """Write no line: the test reads what has arrived."""

        self.server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[SentSpan]:
        return [span for body in list(self.bodies) for span in spans_in(body)]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events in the envelopes of Sentry."""
        found = []
        for body in list(self.bodies):
            lines = body.split(b"\n")
            found += [
                json.loads(lines[number + 1])
                for number, line in enumerate(lines[1:-1], start=1)
                if line.startswith(b'{"type":"event"')
            ]
        return found


def spans_in(body: bytes) -> Iterator[SentSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        resource = values(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield SentSpan(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    span.kind,
                    resource["service.name"],
                    resource["program"],
                    scope_spans.scope.name.removeprefix("opentelemetry.instrumentation."),
                    values(span.attributes),
                    [link.trace_id.hex() for link in span.links],
                )


def values(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}


@contextmanager
def observing(*, silent: bool = False) -> Iterator[Observer]:
    """Run an Observer until the block ends."""
    observer = Observer(silent=silent)
    thread = threading.Thread(target=observer.server.serve_forever)
    thread.start()
    try:
        yield observer
    finally:
        observer.ended.set()
        observer.server.shutdown()
        thread.join()
        observer.server.server_close()
