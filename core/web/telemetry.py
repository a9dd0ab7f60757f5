"""Traces by OpenTelemetry, sent by OTLP in the background. Loaded by core/web/observation.py if they are set.

A collector that is silent or gone delays nothing: a queue takes the spans, and drops them where it is full.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.http import HttpRequest
from django.utils.text import slugify
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from core.web import traces
from core.web.observation import Program
from core.web.redaction import RedactingExporter
from core.web.request_context import identify_trace

STOP_SECONDS = 3.0  # in which a program that stops sends its last spans
REPORT_SECONDS = 60.0
EXPORTER_LOG = logging.getLogger(OTLPSpanExporter.__module__)
UNTRACED = r"://[^/]+/(health|metrics|static)([/?]|$)"
EXCLUDED = ("OTEL_PYTHON_DJANGO_EXCLUDED_URLS", "OTEL_PYTHON_EXCLUDED_URLS")

w3c = TraceContextTextMapPropagator()


class Recorder:
    """The recorder of core/web/traces.py."""

    def __init__(self) -> None:
        self.tracer = trace.get_tracer("core")

    def trace_id(self) -> str | None:
        context = trace.get_current_span().get_span_context()
        return format_trace_id(context.trace_id) if context.is_valid else None

    def trace_parent(self) -> str:
        headers: dict[str, str] = {}
        w3c.inject(headers)
        return headers.get("traceparent", "")

    @contextmanager
    def continued(self, trace_parent: str, name: str, request_id: str) -> Iterator[None]:
        """Run the block in a span of the trace of `trace_parent`, with a link to the current span: that of the task."""
        parent = w3c.extract({"traceparent": trace_parent}) if trace_parent else None
        current = trace.get_current_span().get_span_context()
        links = [Link(current)] if trace_parent and current.is_valid else []
        attributes = {"request.id": request_id} if request_id else {}
        with self.tracer.start_as_current_span(
            name, context=parent, kind=SpanKind.CONSUMER, attributes=attributes, links=links
        ):
            yield


class CausedSpans(BatchSpanProcessor):
    """The processor that sends spans, without those of statements and commands that no request and no task has caused:
    of health checks, heartbeats and renewals of leases."""

    def on_end(self, span: ReadableSpan) -> None:
        if span.parent is not None or span.kind is not SpanKind.CLIENT:
            super().on_end(span)


class Stopper:
    """The end of the traces of this process: it waits STOP_SECONDS for the collector, and no longer."""

    def __init__(self, provider: TracerProvider) -> None:
        self.provider = provider
        self.reset()
        os.register_at_fork(after_in_child=self.reset)

    def reset(self) -> None:
        """Start the thread, also after a fork. No thread can be started while the interpreter exits."""
        self.stopping, self.stopped = threading.Event(), threading.Event()
        threading.Thread(target=self.run, name="traces", daemon=True).start()

    def run(self) -> None:
        self.stopping.wait()
        self.provider.shutdown()
        self.stopped.set()

    def stop(self) -> None:
        self.stopping.set()
        self.stopped.wait(STOP_SECONDS)


class OncePerMinute(logging.Filter):
    """A filter of the exporter's log lines, which come with each batch while the collector is away."""

    reported = -REPORT_SECONDS

    def filter(self, _record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self.reported < REPORT_SECONDS:
            return False
        self.reported = now
        return True


def start(program: Program) -> Callable[[], None]:
    """Record the traces of this process, and instrument its libraries. Return the function that sends the last ones."""
    if not os.environ.get("OTEL_PROPAGATORS"):  # docs/decisions/0040: no baggage of clients for others
        propagate.set_global_textmap(w3c)
    EXPORTER_LOG.setLevel(logging.ERROR)
    EXPORTER_LOG.addFilter(OncePerMinute())
    provider = TracerProvider(resource=resource(program), shutdown_on_exit=False)
    provider.add_span_processor(CausedSpans(RedactingExporter(OTLPSpanExporter())))
    trace.set_tracer_provider(provider)
    if program == "web":
        others = [os.environ[name] for name in EXCLUDED if name in os.environ]
        # After RequestMiddleware, which refuses what is malformed and times the whole request.
        DjangoInstrumentor().instrument(
            middleware_position=1,
            excluded_urls=",".join([UNTRACED, *others[:1]]),
            request_hook=name_request,
        )
    for instrumentor in (PsycopgInstrumentor, RedisInstrumentor, CeleryInstrumentor, URLLib3Instrumentor):
        instrumentor().instrument()
    traces.register(Recorder())
    return Stopper(provider).stop


def resource(program: Program) -> Resource:
    """Return what all spans of this process have. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have precedence."""
    own = {"service.version": settings.VERSION, "program": program}
    named = Resource.create()
    if str(named.attributes["service.name"]).startswith("unknown_service"):
        named = named.merge(Resource({"service.name": slugify(settings.PRODUCT_NAME) or "backend"}))
    return Resource(own).merge(named)


def name_request(span: Span, request: HttpRequest) -> None:
    """Give the span the request's id, and the log lines of the request the trace's."""
    context = span.get_span_context()
    request_id = identify_trace(format_trace_id(context.trace_id) if context.is_valid else None)
    span.set_attribute("request.id", request_id)
