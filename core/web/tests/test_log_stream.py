"""The stream of log lines whose reader has stopped or ended."""

import os
import threading

import pytest

from core.tests.interpreter import python
from core.tests.waiting import wait_until
from core.web.log_stream import MAX_CHARACTERS, BackgroundStream

LINE = "x" * 9_999 + "\n"


@pytest.fixture
def pipe():
    """A stream into a pipe, and the descriptor that reads it."""
    reading, writing = os.pipe()
    yield BackgroundStream(writing), reading
    for descriptor in (reading, writing):
        os.close(descriptor)


def dropped(caplog):
    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [line["number"] for line in lines if line["event"] == "log_lines_dropped"]


def test_lines_come_in_their_order(pipe):
    stream, reading = pipe
    for number in range(300):
        stream.write(f"{number}\n")
    stream.drain(10)

    assert os.read(reading, 10_000).decode().split() == [str(number) for number in range(300)]


def test_while_nobody_reads_nobody_waits_and_what_is_too_much_is_counted(pipe, caplog):
    stream, reading = pipe
    for _ in range(1000):
        stream.write(LINE)
    read = bytearray()

    def read_all():
        while chunk := os.read(reading, 65536):
            read.extend(chunk)

    thread = threading.Thread(target=read_all)
    thread.start()
    stream.drain(10)
    stream.write("again\n")
    stream.drain(10)
    stream.write("the end")
    stream.drain(10)
    os.close(stream.descriptor)
    thread.join()
    os.dup2(reading, stream.descriptor)  # for the fixture to close

    lines = read.decode().split("\n")
    assert lines == [LINE[:-1]] * (MAX_CHARACTERS // len(LINE)) + ["again", "the end"]
    assert dropped(caplog) == [1000 - MAX_CHARACTERS // len(LINE)]


def test_a_reader_that_has_ended_fails_nobody(caplog):
    reading, writing = os.pipe()
    os.close(reading)
    stream = BackgroundStream(writing)
    for _ in range(1000):
        stream.write(LINE)
        stream.drain(10)
    os.close(writing)

    assert dropped(caplog) == []


def test_lines_go_on_when_the_disk_has_room_again(tmp_path, caplog):
    path = tmp_path / "log"
    with open("/dev/full", "wb") as full, path.open("wb") as file:
        stream = BackgroundStream(full.fileno())
        stream.write("lost\n")
        stream.drain(10)
        os.dup2(file.fileno(), full.fileno())
        stream.write("kept\n")
        stream.drain(10)

    wait_until(lambda: dropped(caplog))
    assert path.read_text() == "kept\n"
    assert dropped(caplog) == [1]


def test_a_line_that_is_no_text_for_utf8_is_written(pipe):
    stream, reading = pipe
    stream.write("\ud800\n")
    stream.drain(10)

    assert os.read(reading, 100) == b"\\ud800\n"


FORKS = """
import logging, os
from core.web import log_stream
from core.web.logs import configure_logging, write_in_background

write_in_background()
configure_logging(level=logging.INFO, log_format="json")
log = logging.getLogger("here")
log.info("before")
child = os.fork()
if child == 0:
    log.info("in the fork")
    log_stream.stderr.drain()
    os._exit(0)
os.waitpid(child, 0)
log.info("the last")
raise RuntimeError("broken")
"""


def test_a_fork_and_the_end_of_a_process_lose_no_line():
    done = python(FORKS)

    assert [line.count("{") for line in done.stderr.splitlines()] == [1] * 4, done.stderr
    for text in ("before", "in the fork", "the last", "uncaught_exception"):
        assert done.stderr.count(text) == 1
