"""The trace of the current request or task, for log lines and for what workers do later.

Imports nothing of OpenTelemetry: core/web/telemetry.py registers a recorder here, if the variables of traces are set.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Recorder(Protocol):
    """The part of OpenTelemetry that the product calls."""

    def trace_id(self) -> str | None:
        """Return the id of the current trace, as 32 hexadecimal digits, or None."""

    def trace_parent(self) -> str:
        """Return the `traceparent` (W3C Trace Context) of the current span, or nothing."""

    def continued(self, trace_parent: str, name: str, request_id: str) -> AbstractContextManager[object]:
        """Return a context manager: a span of this name in the trace of `trace_parent`."""


recorder: Recorder | None = None


def trace_parent() -> str:
    return recorder.trace_parent() if recorder is not None else ""


def continued(trace_parent: str, name: str, request_id: str) -> AbstractContextManager[object]:
    """Return a context manager for the work that a request has left to workers: it is a part of its trace."""
    return recorder.continued(trace_parent, name, request_id) if recorder is not None else nullcontext()


def register(new: Recorder) -> None:
    global recorder  # noqa: PLW0603 - a process has one recorder
    recorder = new
