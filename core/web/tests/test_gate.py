"""The limit: never more at once than its slots, nobody waits who has no room, and no user takes it all."""

import threading
from collections import Counter

import pytest

from core.web.concurrency import ConcurrencyLimit
from core.web.errors import ApiError


@pytest.fixture
def held():
    """A limit with one slot and one place to wait, whose slot somebody holds until `leave` is set."""
    limit = ConcurrencyLimit(slots=1, waiting=1, timeout=0.05)
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with limit.slot():
            inside.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(10)
    yield limit
    leave.set()
    holder.join()


def test_who_waits_too_long_is_told_to_come_again(held):
    with pytest.raises(ApiError) as refusal, held.slot():
        pass

    assert (refusal.value.code, refusal.value.retry_after) == ("SERVICE_UNAVAILABLE", 2)


def test_a_full_room_refuses_at_once():
    limit = ConcurrencyLimit(slots=1, waiting=0, timeout=60)
    with limit.slot(), pytest.raises(ApiError, match="unavailable"), limit.slot():
        pass


def test_a_slot_is_free_again_after_an_error(held):
    limit = ConcurrencyLimit(slots=1, waiting=0, timeout=5)
    with pytest.raises(ZeroDivisionError), limit.slot():
        raise ZeroDivisionError
    with limit.slot():
        pass


def test_no_more_than_its_slots_at_once():
    limit = ConcurrencyLimit(slots=2, waiting=20, timeout=30)
    lock, inside, most = threading.Lock(), [], []
    together = threading.Barrier(2)

    def work():
        with limit.slot():
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


# --- shared between users -------------------------------------------------------------------------


def shared(slots=2, waiting=6, timeout=60):
    return ConcurrencyLimit(
        slots=slots, waiting=waiting, timeout=timeout, slots_each=slots - 1, waiting_each=waiting // 2
    )


def test_one_user_never_holds_the_last_slot():
    limit = shared(slots=3)
    first, second, third = (limit.enter("ann") for _ in range(3))

    assert [first.is_set(), second.is_set(), third.is_set()] == [True, True, False]
    assert limit.enter("bob").is_set()


def test_one_user_takes_half_of_the_places_to_wait():
    limit = shared(waiting=4)
    for _ in range(3):  # one has a slot, two wait
        limit.enter("ann")
    with pytest.raises(ApiError) as refusal:
        limit.enter("ann")
    waiting = [limit.enter("bob") for _ in range(3)]
    with pytest.raises(ApiError, match="unavailable"):
        limit.enter("eve")  # now all are taken

    assert refusal.value.code == "SERVICE_UNAVAILABLE"
    assert [granted.is_set() for granted in waiting] == [True, False, False]


def test_free_slots_go_to_the_users_in_turn():
    limit = shared(waiting=20)
    held = [("ann", limit.enter("ann")), ("bob", limit.enter("bob"))]
    asked = ["ann", "ann", "ann", "eve", "eve", "bob"]
    waiting = [(user, limit.enter(user)) for user in asked]
    served = []
    while held:
        limit.leave(*held.pop(0))
        let_in = [place for place in waiting if place[1].is_set()]
        waiting = [place for place in waiting if not place[1].is_set()]
        served += [user for user, _granted in let_in]
        held += let_in

    assert served == ["ann", "eve", "bob", "ann", "eve", "ann"]


def test_a_slot_that_comes_while_its_user_gives_up_is_not_lost():
    limit = shared()
    first, second = limit.enter("ann"), limit.enter("ann")
    limit.leave("ann", first)  # it goes to the second
    limit.leave("ann", second)

    assert [limit.enter(user).is_set() for user in ("bob", "eve")] == [True, True]


def test_the_shares_hold_under_threads():
    """Forty requests of three users at once: never more than the slots, never all of them for one."""
    limit = shared(slots=3, waiting=200)
    lock, inside, seen = threading.Lock(), Counter(), []
    together = threading.Barrier(40)

    def work(user):
        together.wait(10)
        with limit.slot(user):
            with lock:
                inside[user] += 1
                seen.append((inside.total(), max(inside.values())))
            with lock:
                inside[user] -= 1

    threads = [threading.Thread(target=work, args=(f"user {number % 3}",)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(seen) == 40
    assert max(total for total, _most in seen) <= 3
    assert max(most for _total, most in seen) <= 2
    assert [limit.enter(user).is_set() for user in ("a", "b", "c")] == [True, True, True]  # nothing was lost
