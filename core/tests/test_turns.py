"""Turns: so many requests run, and whoever waits for something else, or for long, makes room."""

import threading

import pytest

from core import turns as module
from core.turns import Turns

SECONDS = 10


@pytest.fixture
def patient(monkeypatch):
    """Nobody is passed over, so that a test with a slow machine sees what it asks for."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 3600.0)


class Crowd:
    """Jobs that say how many of them have run at once, and in which threads."""

    def __init__(self, turns):
        self.turns, self.lock = turns, threading.Lock()
        self.inside = self.most = self.done = 0
        self.threads, self.all_done = set(), threading.Event()

    def job(self, work=lambda: None):
        def run():
            with self.lock:
                self.inside += 1
                self.most = max(self.most, self.inside)
                self.threads.add(threading.get_ident())
            work()
            with self.lock:
                self.inside -= 1
                self.done += 1

        return run

    def finish(self, number):
        """Until so many more jobs have been done by the same line."""
        for _ in range(number - 1):
            self.turns.submit(self.job())
        self.turns.submit(self.job(self.all_done.set))
        assert self.all_done.wait(SECONDS)


@pytest.mark.parametrize("number", [1, 2])
def test_no_more_run_at_once_than_there_are_turns(patient, number):
    crowd = Crowd(Turns(number, threads=8))
    crowd.finish(500)

    assert 1 <= crowd.most <= number
    assert len(crowd.threads) <= number  # and no thread is woken that could not run


def test_who_has_waited_longest_is_next(patient):
    turns = Turns(1, threads=8)
    served, last = [], threading.Event()
    holding, go = threading.Event(), threading.Event()
    turns.submit(lambda: (holding.set(), go.wait(SECONDS)))
    assert holding.wait(SECONDS)
    for number in range(5):
        turns.submit(lambda number=number: served.append(number))
    turns.submit(last.set)
    go.set()

    assert last.wait(SECONDS)
    assert served == [0, 1, 2, 3, 4]


def test_the_thread_that_worked_last_works_again(patient):
    turns = Turns(1, threads=8)
    second_ran, threads = threading.Event(), set()

    def first():
        with turns.aside():
            assert second_ran.wait(SECONDS)

    turns.submit(first)
    turns.submit(second_ran.set)  # so that there are two
    while len(turns._idle) < 2:
        pass
    for _ in range(20):
        done = threading.Event()
        turns.submit(lambda done=done: (threads.add(threading.get_ident()), done.set()))
        assert done.wait(SECONDS)

    assert turns._started == 2
    assert len(threads) == 1


def test_who_steps_aside_lets_another_one_run(patient):
    turns = Turns(1, threads=2)
    another_ran, came_back = threading.Event(), threading.Event()

    def wait_aside():
        with turns.aside():
            assert another_ran.wait(SECONDS)
        came_back.set()

    turns.submit(wait_aside)
    turns.submit(another_ran.set)

    assert came_back.wait(SECONDS)


def test_who_comes_back_waits_for_a_turn(patient):
    turns = Turns(1, threads=2)
    crowd = Crowd(turns)
    inside, let_go = threading.Event(), threading.Event()

    def wait_aside():
        with turns.aside():
            assert inside.wait(SECONDS)
        crowd.job()()

    turns.submit(wait_aside)
    turns.submit(crowd.job(lambda: (inside.set(), let_go.wait(SECONDS))))
    assert inside.wait(SECONDS)
    while not turns._line:  # until the first one stands in line again
        assert crowd.inside == 1
    let_go.set()
    crowd.finish(1)

    assert crowd.most == 1


def test_who_takes_long_is_passed_over():
    """Ten times: whoever is in line comes to its turn, though the one before never gives its own back."""
    turns = Turns(1, threads=11)
    end, passed = threading.Event(), threading.Semaphore(0)
    for _ in range(10):
        turns.submit(lambda: (passed.release(), end.wait(SECONDS)))
    for _ in range(10):
        assert passed.acquire(timeout=SECONDS)
    quick = threading.Event()
    turns.submit(quick.set)

    assert quick.wait(SECONDS)
    end.set()


def test_a_turn_that_was_passed_over_is_not_given_twice():
    turns = Turns(1, threads=4)
    slow_runs, end = threading.Event(), threading.Event()
    turns.submit(lambda: (slow_runs.set(), end.wait(SECONDS)))
    assert slow_runs.wait(SECONDS)
    crowd = Crowd(turns)
    crowd.finish(1)  # past the slow one
    end.set()
    while len(turns._idle) < 2:
        pass
    assert turns._free == 1


def test_without_a_thread_the_line_waits(patient):
    turns = Turns(2, threads=1)
    end, second_ran = threading.Event(), threading.Event()
    turns.submit(lambda: end.wait(SECONDS))
    turns.submit(second_ran.set)

    assert len(turns._line) == 1
    end.set()
    assert second_ran.wait(SECONDS)


def test_a_thread_outlives_what_fails(patient, caplog):
    turns = Turns(1, threads=1)
    turns.submit(lambda: 1 / 0)
    Crowd(turns).finish(2)

    assert "request_failed_outside_of_django" in caplog.text


def test_idle_threads_go(monkeypatch):
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.001)
    turns = Turns(1, threads=4)
    Crowd(turns).finish(5)
    while turns._started:
        pass
    Crowd(turns).finish(5)  # and come again

    assert turns._started <= 1


def test_outside_of_a_request_there_is_nothing_to_give():
    turns = Turns(1, threads=1)
    with turns.aside(), turns.aside():
        turns.leave()

    assert turns._free == 1
