import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher

NICENESS = 4


def yield_to_others() -> None:
    """Lower the priority of this thread. On Linux niceness is an attribute of a thread, so a hash only uses the time
    that other requests leave of its core. It releases the GIL, so that they do not wait for it."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


_threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="hash", initializer=yield_to_others)


class BCryptHasher(BCryptSHA256PasswordHasher):
    """bcrypt over SHA-256, because bcrypt alone stops at 72 bytes and would make long passwords equal."""

    rounds = settings.BCRYPT_ROUNDS

    def encode(self, password: str, salt: Any) -> str:
        return _threads.submit(super().encode, password, salt).result()
