"""Lookups of host names that end in time.

The resolver of the system cannot be interrupted. When its name servers do not respond, a lookup takes 5 seconds for
each of them, twice (`man resolv.conf`): much longer than a request may wait.
"""

import ipaddress
import os
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress


class Resolver:
    """The running lookups of a process: one thread for each name. No result is cached, and no failure."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin without lookups: a fork copies the object, but not their threads."""
        self.lock = threading.Lock()
        self.running: dict[str, Future[list[str]]] = {}

    def addresses_of(self, host: str, seconds: float | None) -> list[str]:
        """Return the IP addresses of a name. Raises an OSError: TimeoutError if that takes longer than `seconds`."""
        with suppress(ValueError):
            return [str(ipaddress.ip_address(host))]
        with self.lock:
            lookup = self.running.get(host)
            if lookup is None:
                lookup = self.running[host] = Future()
                threading.Thread(target=self.look_up, args=(host, lookup), name="lookup", daemon=True).start()
        return lookup.result(seconds)

    def look_up(self, host: str, lookup: Future[list[str]]) -> None:
        try:
            results = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except Exception as error:
            self.end(host)
            lookup.set_exception(error if isinstance(error, OSError) else OSError(f"{host}: {error}"))
        else:
            self.end(host)
            lookup.set_result(list(dict.fromkeys(str(address[0]) for *_family, address in results)))

    def end(self, host: str) -> None:
        with self.lock:
            self.running.pop(host, None)


resolver = Resolver()
os.register_at_fork(after_in_child=resolver.reset)
