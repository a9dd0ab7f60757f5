"""The application of core/tests/served.py in a real granian process, and an application's wait that a test ends."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection

from django.conf import settings

from core.tests.ports import free_port
from core.tests.waiting import wait_until

SECONDS = 20


class Served:
    def __init__(self, log, **environment):
        self.port, self.log = free_port(), log
        command = [
            sys.executable,
            "-m",
            "granian",
            "--interface",
            "rsgi",
            "--no-ws",
            # As `manage.py serve` does: a worker that is stopped may wait for the lock of its interpreter for ever.
            "--workers-kill-timeout",
            "10",
            "--port",
            str(self.port),
        ]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "core.tests.served:application"],
                cwd=settings.BASE_DIR,
                env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"} | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_live(self):
        return wait_until(
            lambda: self.get("/health/live"), processes=[self.process], explain=self.log.read_text
        )

    def request(self, method, path, body=None, **headers):
        connection = HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        connection.request(method, path, body, {name.replace("__", "-"): v for name, v in headers.items()})
        response = connection.getresponse()
        response.content = response.read()
        connection.close()
        return response

    def get(self, path, **headers):
        return self.request("GET", path, **headers)

    def send(self, data):
        """Open a connection, send these bytes, and leave it open."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        connection.sendall(data)
        return connection

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class Blocker:
    def __init__(self, listener):
        self.listener, self.port = listener, listener.getsockname()[1]
        self.connections = []

    def accept(self):
        self.connections.append(self.listener.accept()[0])

    def release(self, data):
        """Let the one go on that has waited longest."""
        with self.connections.pop(0) as connection:
            connection.sendall(data)


@contextmanager
def serving(folder, **environment):
    server = Served(folder / "server.log", **environment)
    try:
        server.wait_until_live()
        yield server
    finally:
        server.stop()
