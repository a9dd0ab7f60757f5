"""A scanner that speaks INSTREAM of clamd, on a socket in the file system or on loopback."""

import socket
import struct
import threading
from contextlib import contextmanager, suppress

from core.tests.ports import free_port

MALWARE = b"malware of the tests"


class Scanner:
    """Finds MALWARE. `answer(content)` may be replaced: None ends the connection without a response."""

    def __init__(self, path=None):
        self.path, self.scanned, self.stopped = path, [], threading.Event()
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.listener.listen()
        else:
            self.listener = socket.create_server(("127.0.0.1", free_port()))
            self.port = self.listener.getsockname()[1]
        self.answer = lambda content: (
            b"stream: Test.Malware FOUND\0" if MALWARE in content else b"stream: OK\0"
        )
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    @property
    def url(self):
        return f"unix:{self.path}" if self.path else f"tcp://127.0.0.1:{self.port}"

    def accept(self):
        with suppress(OSError):
            while True:
                connection, _peer = self.listener.accept()
                thread = threading.Thread(target=self.serve, args=(connection,), daemon=True)
                self.threads.append(thread)
                thread.start()

    def serve(self, connection):
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            connection.settimeout(20)
            assert stream.read(10) == b"zINSTREAM\0"
            content = b""
            while length := struct.unpack(">I", stream.read(4))[0]:
                content += stream.read(length)
            self.scanned.append(content)
            reply = self.answer(content)
            if reply is not None:
                connection.sendall(reply)

    def close(self):
        self.stopped.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(20)


@contextmanager
def running_scanner(path=None):
    scanner = Scanner(path)
    try:
        yield scanner
    finally:
        scanner.close()
