"""Turns: so many requests run, and whoever waits for something else makes room."""

import threading
from io import BytesIO

import pytest

from core.tests.parallel import together
from core.turns import Turns


@pytest.fixture
def crowd():
    """An application that says how many of its requests have run at once."""

    class Crowd:
        def __init__(self):
            self.lock, self.inside, self.most = threading.Lock(), 0, 0

        def __call__(self, environ, start_response):
            with self.lock:
                self.inside += 1
                self.most = max(self.most, self.inside)
            environ.get("work", lambda: None)()
            with self.lock:
                self.inside -= 1
            return [b"done"]

    return Crowd()


def request(**environ):
    return {"REQUEST_METHOD": "GET", **environ}


@pytest.mark.parametrize("number", [1, 2])
def test_no_more_run_at_once_than_there_are_turns(crowd, number):
    application = Turns(number).around(crowd)
    together(*[lambda: [application(request(), None) for _ in range(50)]] * 8)

    assert 1 <= crowd.most <= number


def test_who_has_waited_longest_is_next():
    turns = Turns(1)
    served, line = [], []
    turns.take()
    for number in range(5):
        in_line = len(turns._line)
        line.append(
            threading.Thread(target=lambda number=number: (turns.take(), served.append(number), turns.give()))
        )
        line[-1].start()
        while len(turns._line) == in_line:  # each stands behind the one before
            pass
    turns.give()
    for thread in line:
        thread.join(10)

    assert served == [0, 1, 2, 3, 4]


def test_without_a_number_nobody_waits(crowd):
    assert Turns(0).around(crowd) is crowd


def test_who_steps_aside_lets_another_one_run(crowd):
    turns = Turns(1)
    application = turns.around(crowd)
    another_ran = threading.Event()

    def wait_aside():
        with turns.aside():
            assert another_ran.wait(10)

    waiting = threading.Thread(target=application, args=(request(work=wait_aside), None))
    waiting.start()
    application(request(work=another_ran.set), None)
    waiting.join(10)

    assert not waiting.is_alive()


def test_outside_of_a_request_there_is_nothing_to_give():
    turns = Turns(1)
    with turns.aside(), turns.aside():
        pass
    turns.take()
    turns.give()


def test_an_error_gives_the_turn_back():
    def broken(environ, start_response):
        raise ZeroDivisionError

    application = Turns(1).around(broken)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            application(request(), None)


def test_a_body_that_comes_slowly_holds_nobody_up(crowd):
    application = Turns(1).around(crowd)
    other_was_served = threading.Event()

    class Slow(BytesIO):
        def read(self, *size):
            assert other_was_served.wait(10)
            return super().read(*size)

    read = []
    environ = request(CONTENT_LENGTH="4")
    environ["wsgi.input"] = Slow(b"body")
    environ["work"] = lambda: read.append(environ["wsgi.input"].read(4))
    slow = threading.Thread(target=application, args=(environ, None))
    slow.start()
    application(request(), None)
    other_was_served.set()
    slow.join(10)

    assert read == [b"body"]
