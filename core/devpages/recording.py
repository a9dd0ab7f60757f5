"""The recording of requests, with what the page of each shows. It changes no response.

As in the logs, nothing that may be a secret is recorded: of the query only the names of parameters, of SQL no values,
of a traceback no local variables, and nothing of headers, cookies, bodies and responses.
"""

import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.db import connections
from django.http import HttpRequest, HttpResponse
from rest_framework.response import Response

from core.devpages import records
from core.devpages.clauses import clauses_of
from core.devpages.statements import Statements
from core.web import errors
from core.web import request_context as context
from core.web.client_address import PROBES
from core.web.renderers import Rendered

KIND = "request"
PREFIX = "/dev/"
MAX_TRACEBACK = 20_000  # characters
log = structlog.get_logger(__name__)


class Recording:
    """The statements of the request that runs in this context, and the exception that it ended with."""

    def __init__(self) -> None:
        self.statements = Statements()
        self.error: BaseException | None = None


current: ContextVar[Recording | None] = ContextVar("recording", default=None)


class RecordingMiddleware:
    """Innermost middleware: static files and refusals of other middlewares never reach it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.DEBUG or not records.is_writable():
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith((PREFIX, settings.STATIC_URL, *PROBES)):
            return self.get_response(request)
        recording = Recording()
        token = current.set(recording)
        started = time.perf_counter()
        try:
            with ExitStack() as wrappers:
                for connection in connections.all():
                    wrappers.enter_context(connection.execute_wrapper(recording.statements))
                response = self.get_response(request)
        finally:
            current.reset(token)
        try:
            record(request, response, recording, time.perf_counter() - started)
        except Exception as error:  # of the disk, or of code of an app: the response is not its concern
            log.warning("request_not_recorded", path=request.path, exc_info=error)
        return response

    def process_exception(self, _request: HttpRequest, exception: Exception) -> None:
        note(exception)


def handle(exc: Exception, view_context: Mapping[str, Any]) -> Response | None:
    """Note the exception of a view of REST framework, and return the response of `core.web.errors.handle`."""
    note(exc)
    return errors.handle(exc, view_context)


def note(exception: BaseException) -> None:
    recording = current.get()
    if recording is not None:
        recording.error = exception


def record(request: HttpRequest, response: HttpResponse, recording: Recording, seconds: float) -> None:
    match, statements = request.resolver_match, recording.statements
    view = getattr(match.func, "cls", match.func) if match else None
    action = getattr(match.func, "actions", {}).get((request.method or "").lower()) if match else None
    summary = {
        "method": request.method,
        "path": request.path,  # never the query string: it may contain a secret
        "route": (match and (match.view_name if match.url_name else match.route)) or "unmatched",
        "status": response.status_code,
        "milliseconds": round(seconds * 1000, 1),
        "user": context.current.get().user_id,
        "statements": statements.count,
        "repeated": statements.repeated,
    }
    details = {
        "view": ".".join(
            filter(None, (getattr(view, "__module__", ""), getattr(view, "__name__", ""), action))
        ),
        "parameters": sorted(request.GET),
        "sql_milliseconds": round(statements.seconds * 1000, 1),
        "groups": statements.described(),
        "clauses": clauses_of(response),
        "cache": cache_outcome(response),
        "error": recording.error and described(recording.error, response.status_code),
    }
    records.add(KIND, context.current.get().request_id, summary, details)


def cache_outcome(response: Any) -> str:
    """Return whether the list was in the response cache (core/api/cache.py), or "" if it is not cached."""
    if isinstance(getattr(response, "data", None), Rendered):
        return "hit"
    view = (getattr(response, "renderer_context", None) or {}).get("view")
    is_cached = settings.RESPONSE_CACHE_SECONDS and getattr(view, "action", None) in getattr(
        view, "watched_lists", ()
    )
    return "miss" if is_cached and response.status_code == 200 and "ETag" in response.headers else ""


def described(error: BaseException, status: int) -> dict[str, str]:
    """Return the type of an exception, and its traceback. Of a refusal no message: it may contain a value of the
    request, and the logs have none either."""
    if status >= 500:
        text = "".join(traceback.format_exception(error))
    else:
        text = "".join(traceback.format_tb(error.__traceback__))
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    code = error.code if isinstance(error, errors.ApiError) else ""
    return {"name": name, "code": code, "traceback": text[-MAX_TRACEBACK:]}
