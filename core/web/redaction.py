"""The contents of spans: no values of statements and queries, no addresses of clients, no texts of exceptions."""

import re
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status

INSTRUMENTATION = "opentelemetry.instrumentation."
PEER = {"net.peer.name", "net.peer.port"}  # of a request, the client
# Attributes of the libraries' spans that are sent: of them many others hold personal data or secrets, as `http.url`
# (the query string), `net.peer.ip` (the client) or `celery.delivery_info`. Spans of the product's own code keep all.
ATTRIBUTES = frozenset(
    {
        *(
            "http.method",
            "http.request.method",
            "http.route",
            "http.status_code",
            "http.response.status_code",
        ),
        *("http.scheme", "url.scheme", "http.flavor", "network.protocol.version", "error.type", "request.id"),
        *("db.system", "db.system.name", "db.name", "db.namespace", "db.statement", "db.query.text"),
        *("db.operation.name", "db.redis.args_length", "db.redis.pipeline_length"),
        *("server.address", "server.port", *PEER),
        *("celery.action", "celery.state", "celery.retries", "celery.task_name", "celery.queue"),
        *("messaging.destination", "messaging.message.id", "messaging.message_id"),
    }
)
STATEMENTS = frozenset({"db.statement", "db.query.text"})
LITERALS = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
MAX_STATEMENT = 2000


class RedactingExporter(SpanExporter):
    """An exporter that passes spans on without what they must not hold. It runs in the thread that sends."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self.exporter.export([redacted(span) for span in spans])

    def shutdown(self) -> None:
        self.exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self.exporter.force_flush(timeout_millis)


def redacted(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes_of(span),
        events=[without_text(event) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),  # its description is the text of an exception
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    scope, attributes = span.instrumentation_scope, dict(span.attributes or {})
    if scope is not None and scope.name.startswith(INSTRUMENTATION):
        allowed = ATTRIBUTES - PEER if span.kind is SpanKind.SERVER else ATTRIBUTES
        attributes = {name: value for name, value in attributes.items() if name in allowed}
    for name in STATEMENTS & attributes.keys():
        attributes[name] = LITERALS.sub("?", str(attributes[name]))[:MAX_STATEMENT]
    return attributes


def without_text(event: Event) -> Event:
    """Return the event of an exception with its type alone: its text may hold values, and the log has it."""
    attributes = {name: value for name, value in (event.attributes or {}).items() if name == "exception.type"}
    return event if event.name != "exception" else Event(event.name, attributes, event.timestamp)
