"""What stands between granian and the application; config/tests/test_journey.py has both in real processes."""

import threading
from io import BytesIO

import pytest
from django.http import HttpResponse, StreamingHttpResponse

from core import server
from core.turns import Turns

pytestmark = pytest.mark.django_db  # a response that is closed looks after its connections
SECONDS = 10


def test_an_answer_that_is_there_comes_in_one_piece_and_is_closed():
    closed = []
    response = HttpResponse(b"done")
    response._resource_closers.append(lambda: closed.append(True))

    assert server.in_one_piece(lambda *_: response)({}, None) == [b"done"]
    assert closed == [True]


def test_a_stream_is_sent_without_a_turn(monkeypatch):
    turns = Turns(1, threads=2)
    monkeypatch.setattr(server, "turns", turns)
    monkeypatch.setattr("core.turns.PATIENCE_SECONDS", 3600.0)
    other_was_served, sent = threading.Event(), threading.Event()

    def slowly():
        assert other_was_served.wait(SECONDS)
        yield b"streamed"

    application = server.in_one_piece(lambda *_: StreamingHttpResponse(slowly()))
    turns.submit(lambda: list(application({}, None)) == [b"streamed"] and sent.set())
    turns.submit(other_was_served.set)

    assert sent.wait(SECONDS)


def test_whoever_asked_for_what_fails_hears_of_it():
    class Protocol:
        answered = None

        def response_bytes(self, *answer):
            self.answered = answer

    protocol, body = Protocol(), BytesIO()
    with pytest.raises(ZeroDivisionError):
        server.answer(lambda *_: 1 / 0, protocol, {}, body)

    assert protocol.answered == (500, [], b"")
    assert body.closed
