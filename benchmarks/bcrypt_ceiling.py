"""How many passwords this machine hashes in a second when it does nothing else: the ceiling of every log-in."""

import time
from concurrent.futures import ThreadPoolExecutor

import bcrypt

ROUNDS = 10


def hashes_per_second(seconds: int, workers: int) -> float:
    """Measure with as many threads as a server has processes: a hash releases the interpreter's lock."""
    salt = bcrypt.gensalt(ROUNDS)
    until = time.perf_counter() + seconds

    def work(_number: int) -> int:
        done = 0
        while time.perf_counter() < until:
            bcrypt.hashpw(b"a password of the usual length", salt)
            done += 1
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        done = sum(pool.map(work, range(workers)))
    return done / (time.perf_counter() - started)
