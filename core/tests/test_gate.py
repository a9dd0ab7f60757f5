"""The gate: never more at once than its slots, and nobody waits who has no room."""

import threading

import pytest

from core.errors import ApiError
from core.gate import Gate


@pytest.fixture
def held():
    """A gate with one slot and one place to wait, whose slot somebody holds until `leave` is set."""
    gate = Gate(at_once=1, waiting=1, patience=0.05)
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with gate.slot():
            inside.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(10)
    yield gate
    leave.set()
    holder.join()


def test_who_waits_too_long_is_told_to_come_again(held):
    with pytest.raises(ApiError) as refusal, held.slot():
        pass

    assert (refusal.value.code, refusal.value.retry_after) == ("SERVICE_UNAVAILABLE", 2)


def test_a_full_room_refuses_at_once():
    gate = Gate(at_once=1, waiting=0, patience=60)
    with gate.slot(), pytest.raises(ApiError, match="unavailable"), gate.slot():
        pass


def test_a_slot_is_free_again_after_an_error(held):
    gate = Gate(at_once=1, waiting=0, patience=5)
    with pytest.raises(ZeroDivisionError), gate.slot():
        raise ZeroDivisionError
    with gate.slot():
        pass


def test_no_more_than_its_slots_at_once():
    gate = Gate(at_once=2, waiting=20, patience=30)
    lock, inside, most = threading.Lock(), [], []
    together = threading.Barrier(2)

    def work():
        with gate.slot():
            with lock:
                inside.append(1)
                most.append(len(inside))
            together.wait(10)  # two are inside together, or nobody gets on
            with lock:
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert max(most) == 2
