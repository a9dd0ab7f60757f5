"""Structured logging: structlog for our own events, and the same shape for everybody else's."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def dumps(event: dict[str, Any], **_kwargs: Any) -> str:
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a lone surrogate, an integer beyond 64 bits: no reason to lose the line
        return json.dumps(event, default=repr)


access_log = structlog.get_logger("access")
_direct = False  # whether access lines go straight to stderr, as JSON


def log_request(**said: Any) -> None:
    """One line for each request. In production it does without the layers of logging, which would take longer than
    the rate limit does."""
    if not _direct:
        access_log.info("request", **said)
        return
    said |= {"event": "request", "level": "info", "timestamp": datetime.now(UTC)}
    sys.stderr.write(dumps(said) + "\n")
    sys.stderr.flush()


def tells_of_an_exception(record: logging.LogRecord) -> bool:
    """Of one that left a middleware nobody else knows."""
    return record.levelno >= logging.ERROR and bool(record.exc_info)


def configure_logging(*, level: int, log_format: str) -> None:
    global _direct  # noqa: PLW0603 - a process has one configuration of its logs
    _direct = log_format == "json" and level <= logging.INFO
    if log_format == "console":
        renderer: Any = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # the rich one prints locals, and so passwords
        )
        tail: list[Any] = [renderer]
    else:
        tail = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=dumps)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*SHARED, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level or logging.INFO)
    # Each request has one line of ours; a second one from the development server or the framework is noise.
    for name in ("django.server", "granian.access"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("django.request").addFilter(tells_of_an_exception)
    # Every ten seconds "succeeded" hides what did not.
    for name in ("celery.app.trace", "celery.worker.strategy", "celery.beat"):
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level or logging.INFO),
        cache_logger_on_first_use=True,
    )
