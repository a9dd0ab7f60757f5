import io
import json
import logging
from datetime import UTC, datetime
from uuid import UUID

import pytest
import structlog

from core.logs import configure_logging, dumps
from core.tests.interpreter import python


@pytest.fixture
def lines():
    """What the configured handler writes for a record of any library."""
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

    assert (line["event"], line["level"], line["logger"]) == ("took 12 ms", "warning", "some.library")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("value", ["a\nb", "a\r\n{}", '"} {"x": 1', "\x1b[31mred", "\u2028", "\x00"])
def test_what_a_value_holds_starts_no_line_and_no_field(lines, value):
    logging.getLogger("some.library").error("said %s", value)
    [line] = lines()

    assert json.loads(line)["event"] == f"said {value}"
    assert "\x1b" not in line


def test_an_exception_is_part_of_its_line(lines):
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logging.getLogger("some.library").exception("failed")
    [line] = map(json.loads, lines())

    assert line["exception"].endswith("ValueError: first\nsecond")


def test_what_is_bound_to_the_context_is_on_every_line(lines):
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        logging.getLogger("some.library").info("within")
    logging.getLogger("some.library").info("after")
    within, after = map(json.loads, lines())

    assert within["request_id"] == "r-1"
    assert "request_id" not in after


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
from core.logs import configure_logging
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
