"""Reports of defects to Sentry, sent in the background. Loaded by core/web/observation.py if SENTRY_DSN is set.

A defect is what the log has with a traceback: an error, or the last attempt of a job. So an exception is reported where
the product has decided that it is none of its refusals. A report has the traceback without local variables, and nothing
of the request but its id.
"""

import logging
import re
import sys
from collections.abc import Callable
from typing import Any

import sentry_sdk
from django.conf import settings
from sentry_sdk.integrations.dedupe import DedupeIntegration

from core.web import request_context as context
from core.web import traces
from core.web.errors import is_unavailable, translate
from core.web.observation import Program

STOP_SECONDS = 2.0
OWN_LOGGERS = (
    "sentry_sdk",
    "urllib3",
    "opentelemetry",
)  # whose errors are of the reports and traces themselves
SECRETS = (
    (re.compile(r"[^\s@'\"<>(=]+@[^\s@'\"<>),]+\.\w+"), "[email]"),
    (re.compile(r"\beyJ[\w-]+(?:\.[\w-]*){1,2}"), "[token]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+\S+"), r"\1 [token]"),
    (re.compile(r"://[^/\s@]+@"), "://[password]@"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "[address]"),
    # PostgreSQL quotes the values of the row, as in `DETAIL:  Key (email)=(…) already exists.`
    (re.compile(r"(?s)\s*\bDETAIL:.*"), ""),
)


class DefectHandler(logging.Handler):
    """A handler of the root logger that sends the exception of a line."""

    def emit(self, record: logging.LogRecord) -> None:
        exception = exception_of(record)
        if exception is None or is_expected(exception) or record.name.startswith(OWN_LOGGERS):
            return
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("request_id", context.current.get().request_id or None)
            if traces.recorder is not None:
                scope.set_tag("trace_id", traces.recorder.trace_id())
            scope.capture_exception(exception)


def exception_of(record: logging.LogRecord) -> BaseException | None:
    """Return the exception of a line of a library, or of ours: structlog has it in the fields."""
    fields: Any = record.msg if isinstance(record.msg, dict) else {"exc_info": record.exc_info}
    if record.levelno < logging.ERROR and not fields.get("final"):
        return None
    raised = fields.get("exc_info")
    if isinstance(raised, BaseException):
        return raised
    return raised[1] if isinstance(raised, tuple) else sys.exc_info()[1] if raised else None


def is_expected(exception: BaseException) -> bool:
    """Return whether the exception is a refusal, or of a service that is away: the metrics and the log count these."""
    return is_unavailable(exception) or translate(exception) is not None


def scrub(event: Any, _hint: Any) -> Any:
    """Return the event without what the texts of exceptions may quote."""
    for exception in event.get("exception", {}).get("values", []):
        text = str(exception.get("value") or "")
        for pattern, replacement in SECRETS:
            text = pattern.sub(replacement, text)
        exception["value"] = text
    return event


def start(program: Program) -> Callable[[], None]:
    """Report the defects of this process. Return the function that sends the last of them."""
    service: Any = settings.SENTRY  # without it this module is not loaded
    sentry_sdk.init(
        dsn=service.dsn,
        release=service.release,
        environment=service.environment,
        default_integrations=False,  # they patch libraries, and add requests, arguments and log lines
        auto_enabling_integrations=False,
        integrations=[DedupeIntegration()],
        include_local_variables=False,
        send_default_pii=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
        before_send=scrub,
    )
    sentry_sdk.get_global_scope().set_tag("program", program)  # for all threads
    logging.getLogger().addHandler(DefectHandler(logging.WARNING))
    return stop


def stop() -> None:
    sentry_sdk.get_client().close(timeout=STOP_SECONDS)
