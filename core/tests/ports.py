"""The one place that picks a port for a server that a test or a script starts."""

import random
import socket
from contextlib import suppress

# Below the ports that operating systems give to outgoing connections (from 32768 on Linux, 49152 by RFC 6335), above
# those that servers are used to. A port that the system picks may belong to an outgoing connection before it is used.
PORTS = range(12_000, 32_000)
TRIES = 100


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens. Raise OSError if there is none in some tries."""
    chance = random.SystemRandom()
    for _ in range(TRIES):
        port = chance.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no free port of {PORTS.start} to {PORTS.stop - 1} found in {TRIES} tries")
