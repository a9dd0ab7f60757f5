"""Requests for reset links by many people at once, and rows of such requests."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from config.tests.faults.measures import add_users, unfinished, wait_until_drained
from config.tests.faults.network import Fault
from core.tests.waiting import wait_until

ROW = """
    INSERT INTO core_outbox_outboxmessage
        (id, kind, payload, status, created_at, attempts, last_error, request_id)
    VALUES (gen_random_uuid(), 'accounts.password_reset', jsonb_build_object('email', %s::text), 'pending', now(), 0,
        '', '')
"""
OF_RESETS = "kind = 'accounts.password_reset'"
P95_SECONDS = 0.3


class Requests(NamedTuple):
    """The outcome of the requests for a link while the broker failed."""

    statuses: Counter[int]
    seconds: list[float]  # in ascending order
    waiting: int  # rows of the outbox at the end of the fault
    copies: Counter[int]  # how many addresses have got so many emails
    delivered: float  # seconds until the last email, from the end of the fault

    @property
    def p95(self) -> float:
        return self.seconds[int(len(self.seconds) * 0.95)]


def forget_passwords(stage: Any, fault: Fault, number: int) -> Requests:
    """Request a link for each of so many accounts while the broker fails, and let it come back."""
    with stage.connection() as connection:
        addresses = add_users(connection, f"{fault.name.lower()}-", number)

    def forget(address: str) -> tuple[int, float]:
        began = time.monotonic()
        reply = stage.api("POST", "/auth/forgot-password", {"email": address})
        return reply.status, time.monotonic() - began

    stage.to_redis.set(fault)
    try:
        with ThreadPoolExecutor(4) as threads:
            replies = list(threads.map(forget, addresses))
        waiting = unfinished(stage, OF_RESETS)
    finally:
        stage.to_redis.set(Fault.NONE)
    began = time.monotonic()
    wait_until(
        lambda: number_of_mails(stage, addresses) >= number,
        60 + number / 2,
        explain=lambda: number_of_mails(stage, addresses),
    )
    delivered = time.monotonic() - began
    wait_until_drained(stage)
    sent = Counter(mail["To"] for mail in list(stage.sink.messages.queue))
    return Requests(
        Counter(status for status, _seconds in replies),
        sorted(seconds for _status, seconds in replies),
        waiting,
        Counter(sent[address] for address in addresses),
        delivered,
    )


def require_quick_and_delivered(seen: Requests, number: int, figure: Callable[..., None]) -> None:
    """Require that so many requests were accepted in time, and led to an email each, once. Keep the figures."""
    figure("p95, slowest", f"{seen.p95:.3f}, {seen.seconds[-1]:.3f} s")
    figure("last of the emails after the end", seen.delivered, "s")
    assert (seen.statuses, seen.waiting) == ({202: number}, number)
    assert seen.copies == {1: number}
    assert seen.p95 < P95_SECONDS


def number_of_mails(stage: Any, addresses: list[str]) -> int:
    known = set(addresses)
    return sum(mail["To"] in known for mail in list(stage.sink.messages.queue))


def queue_without_wake_up(stage: Any, address: str) -> None:
    """Write the row of a request for a link, past the product: only the schedule finds it."""
    with stage.connection() as connection:
        connection.execute(ROW, [address])
