"""Structured logging: one format for our own events and for the records of every library."""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import structlog
from django.db import transaction

from core.web import log_stream, traces
from core.web import request_context as context

# Loggers that at DEBUG write request headers and signed addresses.
SECRETIVE = ("boto3", "botocore", "s3transfer", "urllib3")


def add_request(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add the id and the user of the request that caused this line, also in the worker, and the trace if any."""
    request = context.current.get()
    event.setdefault("requestId", request.request_id or None)
    event.setdefault("userId", request.user_id)
    if traces.recorder is not None and (trace_id := traces.recorder.trace_id()):
        event.setdefault("traceId", trace_id)
    return event


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    add_request,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def name_fields(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with the documented fields first; structlog calls the message `event`."""
    head = {"timestamp": event.pop("timestamp"), "level": event.pop("level"), "message": event.pop("event")}
    return head | {"requestId": event.pop("requestId"), "userId": event.pop("userId")} | event


def drop_empty(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Return the event without the fields that are None."""
    return {name: value for name, value in event.items() if value is not None}


def dumps(event: dict[str, Any], **_kwargs: Any) -> str:
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a lone surrogate, or an integer beyond 64 bits
        return json.dumps(event, default=repr)


log = structlog.get_logger(__name__)
access_log = structlog.get_logger("access")
_direct = False  # whether access lines are written without logging, as JSON
_stream: Any = None  # in place of stderr


def log_request(**fields: Any) -> None:
    """Write the line of one request: `requestId`, `userId`, `duration` and the other fields.

    In production the line bypasses `logging`, which takes longer than the rate limit does.
    """
    if not _direct:
        access_log.info("request", **fields)
        return
    head = {"timestamp": datetime.now(UTC), "level": "info", "message": "request"}
    stream = _stream or sys.stderr
    stream.write(dumps(head | fields) + "\n")
    stream.flush()


def log_on_commit(message: str, **fields: Any) -> None:
    """Write an INFO line when the current transaction commits, and none if it is rolled back."""
    transaction.on_commit(partial(log.info, message, **fields))


def has_exception(record: logging.LogRecord) -> bool:
    """Return whether a record of Django has an exception that left a middleware, which no line of ours reports."""
    return record.levelno >= logging.ERROR and bool(record.exc_info)


def formatter(log_format: str) -> logging.Formatter:
    """Return the formatter of every handler. `serve` uses it for the server's own lines too."""
    if log_format == "console":
        renderer: Any = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # the rich one prints locals, and so passwords
        )
        tail: list[Any] = [drop_empty, renderer]
    else:
        tail = [
            structlog.processors.format_exc_info,
            name_fields,
            structlog.processors.JSONRenderer(serializer=dumps),
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*SHARED, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
    )


def write_in_background() -> None:
    """Let no line wait for the reader of the log, in a program that serves. Call this before or after
    `configure_logging`."""
    global _stream  # noqa: PLW0603 - a process has one logging configuration
    _stream = log_stream.stderr
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(_stream)


def configure_logging(*, level: int, log_format: str) -> None:
    global _direct  # noqa: PLW0603 - a process has one logging configuration
    _direct = log_format == "json" and level <= logging.INFO
    handler = logging.StreamHandler(_stream or sys.stderr)
    handler.setFormatter(formatter(log_format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level or logging.INFO)
    # Each request has one access line; the server and the framework must not add a second.
    for name in ("django.server", "granian.access"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("django.request").addFilter(has_exception)
    # The "succeeded" lines every ten seconds would hide failures.
    for name in ("celery.app.trace", "celery.worker.strategy", "celery.beat"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in SECRETIVE:
        logging.getLogger(name).setLevel(max(root.level, logging.INFO))
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level or logging.INFO),
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(True)
    if log_format == "json":
        sys.excepthook = log_uncaught
        threading.excepthook = lambda args: log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def log_uncaught(kind: type[BaseException], error: BaseException | None, trace: Any) -> None:
    """Write the line of an exception that ends a process or a thread."""
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        sys.__excepthook__(kind, error or kind(), trace)
        return
    log.critical("uncaught_exception", exc_info=(kind, error, trace))
