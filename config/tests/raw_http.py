"""A client that sends bytes as they are, and what Linux says about a server's processes."""

import os
import secrets
import select
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings

from core.tests.ports import free_port
from core.tests.waiting import wait_until

SECONDS = 8  # less than a connection may be idle: the server closes one after a refusal, not for its time

CHUNKED = "Transfer-Encoding: chunked"
LENGTH, END = "Content-Length: 0", b"0\r\n\r\n"
# {what: (lines of the head, what follows it)}, for a POST
AMBIGUOUS = {
    "two lengths": ([LENGTH, "Content-Length: 9"], b""),
    "lengths in one line": (["Content-Length: 0, 0"], b""),
    "other lengths in one line": (["Content-Length: 0, 4"], b""),
    "a length with a plus": (["Content-Length: +0"], b""),
    "a negative length": (["Content-Length: -1"], b""),
    "a hexadecimal length": (["Content-Length: 0x0"], b""),
    "a length of 5000 digits": (["Content-Length: " + "9" * 5000], b""),
    "a length without digits": (["Content-Length: "], b""),
    "another coding": (["Transfer-Encoding: xchunked"], END),
    "a coding behind chunked": (["Transfer-Encoding: chunked, identity"], END),
    "a control character before chunked": (["Transfer-Encoding: \x0bchunked"], END),
    "a space before the colon": (["Content-Length : 0"], b""),
    "a folded line": ([LENGTH, " ,1"], b""),
    "a folded line before the length": (["X-Own: a", " b", LENGTH], b""),
    "a line without a colon": ([LENGTH, "Host"], b""),
    "NUL in a header": ([LENGTH, "X-A: a\0b"], b""),
    "CR in a header": ([LENGTH, "X-A: a\rX-B: b"], b""),
    "a chunk that ends without CR": ([CHUNKED], b"2\n{}\r\n" + END),
    "a chunk that is longer than it says": ([CHUNKED], b"1\r\n{}\r\n" + END),
    "LF in a chunk extension": ([CHUNKED], b"2;a\n=b\r\n{}\r\n" + END),
    "a chunk of 17 digits": ([CHUNKED], b"10000000000000002\r\n{}\r\n" + END),
    "a negative chunk": ([CHUNKED], b"-2\r\n{}\r\n" + END),
    "a chunk whose length is no number": ([CHUNKED], b"zz\r\n\r\n" + END),
    "64 KiB of chunk extensions": ([CHUNKED], b"2;" + b"a" * 65_536 + b"\r\n{}\r\n" + END),
}


class Served:
    """The production server with one process and an empty database."""

    def __init__(self, process, port, log):
        self.process, self.port, self.log = process, port, log

    def processes(self):
        return [self.process.pid, *descendants(self.process.pid)]

    def logged(self):
        """Return the log up to a request that is sent now."""
        marker = secrets.token_hex(8)
        exchange(self.port, head("GET", "/nothing", f"X-Request-ID: {marker}", "Connection: close"))
        wait_until(lambda: marker in self.log.read_text())
        return self.log.read_bytes()


@contextmanager
def served(folder):
    port, log = free_port(), folder / "server.log"
    environment = {
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECURE_SSL_REDIRECT": "false",
        "DATABASE_URL": f"sqlite:///{folder / 'empty.sqlite3'}",
        "REDIS_URL": "",
        "CELERY_BROKER_URL": "redis://127.0.0.1:9/0",  # so that this process is no worker
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_BACKEND": "",
        "FRONTEND_URL": f"http://127.0.0.1:{port}",
        "LOG_LEVEL": "INFO",
    }
    command = [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", "1"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=settings.BASE_DIR, env=os.environ | environment, stdout=output, stderr=output
        )
    try:
        # The path goes through Django, so all is imported once it has been served.
        request = head("GET", "/nothing", "Connection: close")
        wait_until(lambda: exchange(port, request), processes=[process], explain=log.read_text)
        yield Served(process, port, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)


class Answer:
    """The bytes that came back until the server closed the connection."""

    def __init__(self, received):
        self.received = received
        self.head, _, self.body = received.partition(b"\r\n\r\n")
        self.status = int(received[9:12]) if received.startswith(b"HTTP/1.") else None
        self.responses = received.count(b"HTTP/1.1 ")


def exchange(port, *parts, ends=False):
    """Send the parts until the server responds, and return its Answer. Fails if the server does not close.

    `ends` closes the sending side first, as a client does that has gone.
    """
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            for part in parts:
                if select.select([connection], [], [], 0)[0]:
                    break
                connection.sendall(part)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
    return Answer(received)


def head(method="GET", path="/health/ready", *lines, version="HTTP/1.1"):
    """Return a request without its body. A line is text in Latin-1, or bytes."""
    fixed = [f"{method} {path} {version}", "Host: 127.0.0.1"]
    encoded = [line if isinstance(line, bytes) else line.encode("latin-1") for line in (*fixed, *lines)]
    return b"\r\n".join(encoded) + b"\r\n\r\n"


def descendants(process_id):
    """Return the ids of the processes below this one."""
    below = [
        int(child)
        for path in Path(f"/proc/{process_id}/task").glob("*/children")
        for child in path.read_text().split()
    ]
    return [*below, *(process for child in below for process in descendants(child))]


def memory(processes):
    """Return the memory of processes, in bytes."""
    lines = [
        line for process in processes for line in Path(f"/proc/{process}/status").read_text().splitlines()
    ]
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def deleted_files(processes):
    """Return the open files of processes that have no name any more, as temporary files do."""
    links = []
    for process in processes:
        for link in Path(f"/proc/{process}/fd").iterdir():
            with suppress(FileNotFoundError):
                links.append(str(link.readlink()))
    return [link for link in links if link.endswith(" (deleted)") and "/memfd:" not in link]


def http2_headers(count, value):
    """Return a request of HTTP/2 for /health with so many headers (RFC 9113; RFC 7541 without compression)."""
    length = len(value) - 127
    encoded = bytearray(b"\x7f")  # a length in 7 bits, and the rest of it in bytes of 7 bits
    while length >= 128:
        encoded.append(length % 128 + 128)
        length //= 128
    encoded.append(length)
    block = b"\x82\x86\x04\x07/health\x01\x09127.0.0.1" + (b"\x00\x03x-a" + encoded + value) * count
    parts = [block[start : start + 16_000] for start in range(0, len(block), 16_000)]
    frames = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
    for number, part in enumerate(parts):
        kind = 9 if number else 1  # CONTINUATION, HEADERS
        flags = (0 if number else 1) | (4 if number == len(parts) - 1 else 0)
        frames += len(part).to_bytes(3, "big") + bytes([kind, flags]) + (1).to_bytes(4, "big") + part
    return frames


def http2_is_ok(port, request):
    """Return whether the response has the status 200, which is one byte at the beginning of its headers."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(request)
        stream = connection.makefile("rb")
        while frame := stream.read(9):
            content = stream.read(int.from_bytes(frame[:3], "big"))
            if frame[3] in {1, 3, 7}:  # HEADERS, RST_STREAM, GOAWAY
                return frame[3] == 1 and content.startswith(b"\x88")
    return False
