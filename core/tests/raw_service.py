"""A service on loopback whose responses are what a test says, byte for byte."""

import socket
import threading
from contextlib import contextmanager, suppress

from core.tests.ports import free_port


class RawService:
    """Calls `answer(connection, head)` in a thread for each connection, with what the client has sent."""

    def __init__(self, answer, address="127.0.0.1", tls=None, greeting=b""):
        self.answer, self.tls, self.greeting, self.requests = answer, tls, greeting, []
        self.stopped = threading.Event()
        self.listener = socket.create_server((address, free_port()))
        self.address, self.port = self.listener.getsockname()
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        with suppress(OSError):
            while True:
                connection, _peer = self.listener.accept()
                thread = threading.Thread(target=self.serve, args=(connection,), daemon=True)
                self.threads.append(thread)
                thread.start()

    def serve(self, connection):
        with suppress(OSError), connection:
            connection.settimeout(20)
            connection.sendall(self.greeting)
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                request = read_request(connection)
                if request:
                    self.requests.append(request)
                    self.answer(connection, request)

    def close(self):
        self.stopped.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(20)


def read_request(connection):
    """Return the head of a request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    ]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def reply(status="200 OK", body=b"", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def replies(*responses):
    """Return an `answer` that sends one of these after the other, and the last one from then on."""
    left = list(responses)

    def answer(connection, _request):
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return answer


@contextmanager
def raw_service(answer, **options):
    service = RawService(answer, **options)
    try:
        yield service
    finally:
        service.close()
