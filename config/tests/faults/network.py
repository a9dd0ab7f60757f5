"""A TCP proxy between the product and a service, whose faults a test chooses."""

import selectors
import socket
import struct
import threading
import time
from collections import deque
from contextlib import suppress
from enum import Enum


class Fault(Enum):
    NONE = "passes everything on"
    REFUSE = "closes each connection at once"
    SILENT = "keeps the connections, and passes nothing on"
    LOST = "is silent, and its connections stay so for ever, as after a firewall has forgotten them"


class Proxy:
    """Passes bytes on to `upstream`, a port of this machine, until `fault` says otherwise. Use as a context manager.

    `cut_before` closes both sides instead of passing on a message of the client that holds these bytes; `cut_after`
    passes it on, and closes them instead of passing on the reply. `delay` is how many seconds each message takes.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.fault = Fault.NONE
        self.cut_before = self.cut_after = b""
        self.cuts = 0
        self.delay = 0.0
        self.delayed: deque[tuple[float, socket.socket, bytes]] = deque()  # (when, from, what)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.listener.getsockname()[1]
        self.pairs: dict[socket.socket, socket.socket] = {}
        self.doomed: set[socket.socket] = set()  # closed with the next reply
        self.lost: list[socket.socket] = []
        self.selector = selectors.DefaultSelector()
        self.waker, self.woken = socket.socketpair()
        self.stopping = False
        self.thread = threading.Thread(target=self.run, name="proxy", daemon=True)

    def __enter__(self) -> "Proxy":
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopping = True
        self.waker.send(b"!")
        self.thread.join(10)

    def set(self, fault: Fault) -> None:
        """Begin or end a fault. What a silent proxy has held back is passed on when the fault ends."""
        self.fault = fault
        self.waker.send(b"!")

    def run(self) -> None:
        while not self.stopping:
            self.pass_on_delayed()
            wait = 0.005 if self.delayed else 0.05 if self.fault is Fault.SILENT else None
            for key, _events in self.selector.select(wait):
                source: socket.socket = key.fileobj  # type: ignore[assignment]
                if source is self.woken:
                    self.woken.recv(100)
                    self.apply()
                elif source is self.listener:
                    self.accept()
                elif source in self.pairs and self.fault is Fault.NONE:
                    self.pass_on(source)
        for source in [self.listener, self.waker, self.woken, *self.pairs, *self.lost]:
            source.close()
        self.selector.close()

    def apply(self) -> None:
        """Close everything that a refusing server would have closed; watch nothing that a silent one would not read."""
        if self.fault is Fault.REFUSE:
            for source in list(self.pairs):
                self.close(source)
        if self.fault is Fault.LOST:
            for source in self.pairs:
                if source in self.selector.get_map():
                    self.selector.unregister(source)
                self.lost.append(source)
            self.pairs.clear()
        for source in self.pairs:
            watched = source in self.selector.get_map()
            if self.fault is Fault.SILENT and watched:
                self.selector.unregister(source)
            elif self.fault is Fault.NONE and not watched:
                self.selector.register(source, selectors.EVENT_READ)

    def accept(self) -> None:
        client, _address = self.listener.accept()
        if self.fault is Fault.REFUSE:
            reset(client)
            return
        if self.fault is Fault.LOST:
            self.lost.append(client)
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.upstream), timeout=5)
        except OSError:
            reset(client)
            return
        self.pairs |= {client: server, server: client}
        for source in (client, server):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            source.settimeout(5)
            if self.fault is Fault.NONE:
                self.selector.register(source, selectors.EVENT_READ)

    def pass_on(self, source: socket.socket) -> None:
        target = self.pairs[source]
        try:
            data = source.recv(65536)
        except OSError:
            data = b""
        is_cut = bool(self.cut_before and self.cut_before in data) or (source in self.doomed)
        if self.cut_after and self.cut_after in data:
            self.doomed.add(target)
        if not data or is_cut:
            self.cuts += is_cut
            self.close(source)
            return
        if self.delay or self.delayed:
            self.delayed.append((time.monotonic() + self.delay, source, data))
        else:
            self.send(source, data)

    def send(self, source: socket.socket, data: bytes) -> None:
        try:
            self.pairs[source].sendall(data)
        except OSError:
            self.close(source)

    def pass_on_delayed(self) -> None:
        while self.delayed and self.delayed[0][0] <= time.monotonic():
            _when, source, data = self.delayed.popleft()
            if source in self.pairs:
                self.send(source, data)

    def close(self, source: socket.socket) -> None:
        target = self.pairs.pop(source, None)
        if target is None:
            return
        self.pairs.pop(target)
        for each in (source, target):
            self.doomed.discard(each)
            if each in self.selector.get_map():
                self.selector.unregister(each)
            reset(each)


def reset(connection: socket.socket) -> None:
    """Close with RST, as the kernel does for a process that has died."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
