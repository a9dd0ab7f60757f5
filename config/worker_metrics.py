"""The counters of a worker for Prometheus, at METRICS_PORT. Named by config/programs.py."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from celery import bootsteps
from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from core.web.metrics import counters_of_processes, is_token

SECONDS = 5  # for a request to arrive
log = structlog.get_logger(__name__)


class Handler(BaseHTTPRequestHandler):
    """Responds to `GET /metrics`, with METRICS_TOKEN if one is set."""

    timeout = SECONDS

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.respond(404)
        elif settings.METRICS_TOKEN and not is_token(self.headers.get("Authorization", "")):
            self.respond(403)
        else:
            self.respond(200, generate_latest(counters_of_processes()))

    def respond(self, status: int, content: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: Any) -> None:
        """Log no line for each request, as the web server logs none for /metrics."""


class MetricsServer(bootsteps.StartStopStep):
    """A step of the worker: the server, in a thread of its first process, while the worker runs.

    Without METRICS_TOKEN only this machine may connect. A port that is taken is logged: the worker works without it.
    """

    server: ThreadingHTTPServer | None = None

    def include_if(self, _worker: Any) -> bool:
        return bool(settings.METRICS_PORT)

    def start(self, _worker: Any) -> None:
        address = ("" if settings.METRICS_TOKEN else "127.0.0.1", settings.METRICS_PORT)
        try:
            self.server = ThreadingHTTPServer(address, Handler)
        except OSError as error:
            log.error("metrics_not_served", port=settings.METRICS_PORT, error=str(error))
            return
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, name="metrics", daemon=True).start()

    def stop(self, _worker: Any) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
