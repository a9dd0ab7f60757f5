"""The production server: granian with the RSGI application of core/web/server.py, a process for each core."""

import multiprocessing
import os
import shutil
import tempfile
from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from core.web.stopping import drain_first

try:
    from granian import Granian
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings, HTTP2Settings
except ImportError:  # requirements/base.txt, the first run, does without it
    Granian = None  # type: ignore[assignment]

DRAIN_SECONDS = 30
SLOWEST_HEADERS_MS = 10_000  # a client that sends its headers byte by byte loses its connection
BACKLOG = 1024
LEAST_MEMORY = 150  # MiB
MAX_HEAD = 64 * 1024  # bytes of a request line and all headers; of one header see core/web/middleware.py
MAX_CONNECTIONS = 1024  # of each process
RESPAWN_SECONDS = 10.0  # the new process imports everything before the old one stops
# The server's own lines in the form of ours. Each worker process applies this before it reads the settings.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"lines": {"()": "core.web.logs.formatter", "log_format": settings.LOG_FORMAT}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "lines",
            "stream": "ext://core.web.log_stream.stderr",
        }
    },
    "root": {"level": settings.LOG_LEVEL, "handlers": ["stderr"]},
    "loggers": {"_granian": {"level": "INFO", "handlers": [], "propagate": True}},
}


class Command(BaseCommand):
    help = "Serve the whole product. SIGTERM stops accepting after the drain, finishes what is running, and exits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument(
            "--workers", type=int, default=os.cpu_count() or 1, help="processes; default: cores"
        )
        parser.add_argument("--threads", type=int, default=8, help="requests that each process runs at once")
        parser.add_argument("--max-memory", type=int, default=400, help="MiB; a process above it is replaced")
        parser.add_argument(
            "--drain",
            type=int,
            default=0,
            metavar="SECONDS",
            help="after SIGTERM, with a readiness of 503: longer than a load balancer needs to notice; default: 0",
        )

    def handle(
        self,
        *,
        host: str,
        port: int,
        workers: int,
        threads: int,
        max_memory: int,
        drain: int,
        **_options: Any,
    ) -> None:
        if Granian is None:
            raise CommandError("granian is not installed: pip install -r requirements/prod.txt")
        if min(workers, threads) < 1:
            raise CommandError("--workers and --threads must be at least 1.")
        if drain < 0:
            raise CommandError("--drain must be at least 0.")
        if max_memory < LEAST_MEMORY:
            raise CommandError(
                f"--max-memory must be at least {LEAST_MEMORY} MiB: less is used from the start."
            )
        collect_static_if_stale()
        metrics_dir = tempfile.mkdtemp(prefix="metrics-")
        # All of them are read by the worker processes, which therefore start afresh instead of as copies of this one.
        multiprocessing.set_start_method("spawn", force=True)
        os.environ["WEB_CONCURRENCY"] = str(workers)
        os.environ["WEB_THREADS"] = str(threads)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_dir
        try:
            server = Granian(
                "config.rsgi:application",
                address=host,
                port=port,
                interface=Interfaces.RSGI,
                workers=workers,
                backlog=BACKLOG,
                backpressure=MAX_CONNECTIONS,
                http1_settings=HTTP1Settings(
                    header_read_timeout=SLOWEST_HEADERS_MS, max_buffer_size=MAX_HEAD
                ),
                http2_settings=HTTP2Settings(max_headers_size=MAX_HEAD),
                websockets=False,
                log_dictconfig=LOGGING,
                respawn_failed_workers=True,
                respawn_interval=RESPAWN_SECONDS,
                workers_kill_timeout=DRAIN_SECONDS,
                workers_max_rss=max_memory,
                rss_samples=3,  # of 30 seconds each, so that one large response replaces no process
            )
            if drain:
                server.on_startup(partial(drain_first, drain))  # which has set its handlers by then
            server.serve()
        finally:
            shutil.rmtree(metrics_dir, ignore_errors=True)


def collect_static_if_stale() -> None:
    """Run `collectstatic` if a source is newer: a start without it would serve an admin without styles."""
    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    collected = manifest.stat().st_mtime if manifest.exists() else 0.0
    sources = (storage.path(name) for finder in get_finders() for name, storage in finder.list([]))
    if not settings.DEBUG and any(Path(source).stat().st_mtime > collected for source in sources):
        try:
            call_command("collectstatic", interactive=False, verbosity=0)
        except OSError as error:
            raise CommandError(
                f"Static files cannot be collected into {settings.STATIC_ROOT}: {error.strerror}. Make it writable,"
                " or run `collectstatic` where it is."
            ) from error
