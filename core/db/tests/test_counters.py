"""Counters of requests in a window of time, in Redis and in the process."""

import pytest
from django.conf import settings as configured

from core.db.counters import Counted, LocalCounter, count_in_redis, decide
from core.tests.links import use_redis, with_long_timeout
from core.tests.parallel import switching_often, together
from core.tests.waiting import wait_until

# Both must do the same. Without a Redis for the tests only the one in the process is tested.
KINDS = ["local", *(["redis"] if configured.REDIS_URL else [])]


@pytest.fixture(params=KINDS)
def count(request, settings):
    if request.param == "local":
        return LocalCounter().count
    use_redis(settings, with_long_timeout(settings.REDIS_URL))
    return count_in_redis


def test_counts_up_within_a_window_and_says_when_it_ends(count):
    counts = [count("limit:test:a", 60) for _ in range(3)]

    assert [number for number, _left in counts] == [1, 2, 3]
    assert all(59 < left <= 60 for _number, left in counts)


def test_every_key_has_a_window_of_its_own(count):
    count("limit:test:a", 60)

    assert count("limit:test:b", 60)[0] == 1


def test_a_new_window_begins_when_one_has_ended(count):
    count("limit:test:a", 0.05)
    assert wait_until(lambda: count("limit:test:a", 0.05)[0] == 1)


def test_counting_does_not_put_the_end_of_the_window_off(count):
    first = count("limit:test:a", 60)[1]

    assert count("limit:test:a", 3600)[1] <= first


def test_parallel_calls_are_each_counted_once(count):
    each = 25_000 if count is not count_in_redis else 200

    def count_many():
        return [count("limit:test:a", 60)[0] for _ in range(each)]

    with switching_often():
        counts = [number for numbers in together(*[count_many] * 8) for number in numbers]

    assert sorted(counts) == list(range(1, 8 * each + 1))


def test_a_process_remembers_a_bounded_number_of_keys(monkeypatch):
    monkeypatch.setattr("core.db.counters.MAX_LOCAL_KEYS", 100)
    counter = LocalCounter()
    names = [f"live {number}" for number in range(1000)]
    for name in names:
        counter.count(name, 60)
    remembered = [name for name in reversed(names) if counter.count(name, 60).requests == 2]

    assert 0 < len(remembered) <= 100


def test_windows_that_have_ended_are_forgotten_first(monkeypatch):
    monkeypatch.setattr("core.db.counters.MAX_LOCAL_KEYS", 100)
    counter = LocalCounter()
    names = [f"live {number}" for number in range(40)]
    for name in names:
        counter.count(name, 60)
    for number in range(1000):
        counter.count(f"short {number}", 1e-9)

    assert [counter.count(name, 60).requests for name in names] == [2] * 40


@pytest.mark.parametrize(
    ("count", "left", "allowed", "remaining", "reset"),
    [(1, 60.0, True, 9, 60), (10, 0.4, True, 0, 1), (11, 30.2, False, 0, 31), (500, 0.0, False, 0, 1)],
)
def test_a_decision_rounds_the_wait_up_and_never_promises_less_than_nothing(
    count, left, allowed, remaining, reset
):
    decision = decide(Counted(count, left), 10)

    assert (decision.allowed, decision.remaining, decision.reset) == (allowed, remaining, reset)
    assert decision.headers == {
        "RateLimit-Limit": "10",
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(reset),
    }
