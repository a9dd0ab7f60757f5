import io
import json
import logging
from datetime import UTC, datetime
from uuid import UUID

import pytest
import structlog

from core.tests.interpreter import python
from core.web import request_context as context
from core.web.logs import configure_logging, dumps


@pytest.fixture
def lines():
    """Return a function that reads the lines of the configured handler, for records of any library."""
    before, level = logging.getLogger().handlers[:], logging.getLogger().level
    configure_logging(level=logging.INFO, log_format="json")
    [handler] = logging.getLogger().handlers
    handler.stream = io.StringIO()
    yield lambda: handler.stream.getvalue().split("\n")[:-1]
    logging.getLogger().handlers[:] = before
    logging.getLogger().setLevel(level)


def test_a_record_of_any_library_is_one_line_of_json(lines):
    logging.getLogger("some.library").warning("took %d ms", 12)
    [line] = map(json.loads, lines())

    assert (line["message"], line["level"], line["logger"]) == ("took 12 ms", "warning", "some.library")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "value",
    ["a\nb", "a\r\n{}", '"} {"x": 1', "\x1b[31mred", "\u2028", "\x00", "%s %(message)s {0.__class__}"],
)
def test_what_a_value_holds_starts_no_line_and_no_field(lines, value):
    logging.getLogger("some.library").error("said %s", value)
    [line] = lines()

    assert json.loads(line)["message"] == f"said {value}"
    assert "\x1b" not in line


def test_an_exception_is_part_of_its_line(lines):
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logging.getLogger("some.library").exception("failed")
    [line] = map(json.loads, lines())

    assert line["exception"].endswith("ValueError: first\nsecond")


def test_what_is_bound_to_the_context_is_on_every_line(lines):
    token = context.current.set(context.RequestContext(request_id="r-1", user_id="u-1"))
    with structlog.contextvars.bound_contextvars(jobId="j-1"):
        logging.getLogger("some.library").info("within")
    context.current.reset(token)
    logging.getLogger("some.library").info("after")
    within, after = map(json.loads, lines())

    assert (within["requestId"], within["userId"], within["jobId"]) == ("r-1", "u-1", "j-1")
    assert (after["requestId"], after["userId"]) == (None, None)
    assert "jobId" not in after


def test_the_documented_fields_come_first(lines):
    structlog.get_logger("ours").info("happened", kind="x")
    [line] = map(json.loads, lines())

    assert list(line) == ["timestamp", "level", "message", "requestId", "userId", "kind"]


def test_a_warning_is_a_line_of_the_same_form():
    code = "import config.settings, warnings; warnings.warn('old name', FutureWarning)"
    line = json.loads(python(code, LOG_LEVEL="WARNING", LOG_FORMAT="json").stderr)

    assert (line["level"], line["logger"]) == ("warning", "py.warnings")
    assert "FutureWarning: old name" in line["message"]


@pytest.mark.parametrize("name", ["botocore.auth", "urllib3.connectionpool"])
def test_a_library_that_logs_signatures_at_debug_is_not_asked_for_them(name):
    done = python(
        f"import logging, config.settings; logging.getLogger({name!r}).debug('hunter2')", LOG_LEVEL="DEBUG"
    )

    assert "hunter2" not in done.stderr


UNCAUGHT = """
import logging, threading
from core.web.logs import configure_logging
configure_logging(level=logging.INFO, log_format="json")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise RuntimeError("broken")
"""


def test_what_ends_a_thread_or_a_process_is_a_line_with_its_exception():
    done = python(UNCAUGHT)
    thread, process = map(json.loads, done.stderr.splitlines())

    assert done.returncode == 1
    assert (thread["message"], thread["level"]) == ("uncaught_exception", "critical")
    assert "ZeroDivisionError" in thread["exception"]
    assert "RuntimeError: broken" in process["exception"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
        (ValueError("x"), "ValueError('x')"),
        ({1}, "{1}"),
        ({1: "x"}, {"1": "x"}),
        (2**70, 2**70),
        ("\ud800", "\ud800"),
    ],
)
def test_no_value_loses_the_line(value, written):
    assert json.loads(dumps({"value": value})) == {"value": written}


def test_what_the_framework_says_about_each_request_is_left_out(lines):
    for name in ("django.server", "django.request", "granian.access"):
        logging.getLogger(name).error("Not Found: /nope")

    assert lines() == []


CONSOLE = """
import logging
from core.web.logs import configure_logging
configure_logging(level=logging.INFO, log_format="console")
import structlog

def fail(password):
    raise RuntimeError("broken")

try:
    fail("hunter2")
except RuntimeError:
    structlog.get_logger().exception("failed", user="ann")
"""


def test_the_console_is_for_eyes_and_shows_no_local_variables():
    done = python(CONSOLE)

    assert "failed" in done.stderr
    assert "user=ann" in done.stderr
    assert "RuntimeError: broken" in done.stderr
    assert "hunter2" not in done.stderr.replace('fail("hunter2")', "")
    assert "\x1b" not in done.stderr
