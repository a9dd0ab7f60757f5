"""The variables of metrics, traces and reports of defects, and their start in each program that serves.

Imported by config/settings.py before Django is ready. The modules that import OpenTelemetry and Sentry are loaded by
their names, and only where a variable is set for them: they are not installed by requirements/base.txt.
"""

import atexit
import os
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from django.conf import settings
from environs import validate

from core.web.environment import Environment

Program = Literal["web", "worker", "beat"]
MODULES = {"TRACES_ENABLED": "core.web.telemetry", "SENTRY": "core.web.defects"}
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# Of OpenTelemetry's libraries, which read no file: those that may hold a key.
IN_FILES = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", *ENDPOINTS)
PROTOCOL = "http/protobuf"
ENDPOINT = validate.Regexp(r"(https?://[^\s/?#]+\S*)?$", error="must look like http://collector:4318")
# The refusal is without the value: it holds a key.
DSN = validate.Regexp(
    r"(https?://[^@/\s]+@[^@/\s]+/(\S*/)?\d+)?$", error="must look like https://key@sentry.example.com/1"
)


def share_metrics_folder(env: Environment, base: Path) -> None:
    """Make the folder of the metrics. prometheus_client reads the variable itself: it takes an empty one for the
    current directory, and makes no folder."""
    if name := os.environ.pop("PROMETHEUS_MULTIPROC_DIR", ""):
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(base / name)
        env.make_folder("PROMETHEUS_MULTIPROC_DIR", base / name)


def traces_enabled(env: Environment) -> bool:
    """Return whether the programs record traces: whether one of ENDPOINTS is set. The other variables of OpenTelemetry
    are read by its libraries."""
    for name in IN_FILES:
        if f"{name}_FILE" in os.environ and (value := env.str(name, "")):
            os.environ[name] = value
            del os.environ[f"{name}_FILE"]
    endpoints = [name for name in ENDPOINTS if env.str(name, "", validate=ENDPOINT)]
    exporter = env.str("OTEL_TRACES_EXPORTER", "otlp", validate=validate.OneOf(["otlp", "none"]))
    is_off = env.bool("OTEL_SDK_DISABLED", False) or exporter == "none"
    for name in ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"):
        if endpoints and env.str(name, PROTOCOL) != PROTOCOL:
            env.refuse(name, f"must be {PROTOCOL}: traces are sent in no other way")
    if endpoints and find_spec("opentelemetry") is None:
        env.refuse(endpoints[0], "needs OpenTelemetry: pip install -r requirements/prod.txt")
    return bool(endpoints) and not is_off


class Sentry(NamedTuple):
    """The address for reports of defects, and the labels of this deployment in them."""

    dsn: str
    environment: str
    release: str


def sentry(env: Environment, *, debug: bool, version: str) -> Sentry | None:
    """Return the service in SENTRY_DSN, with SENTRY_ENVIRONMENT and SENTRY_RELEASE, or None without a DSN."""
    dsn: str = env.str("SENTRY_DSN", "", validate=DSN) or ""
    environment = env.str("SENTRY_ENVIRONMENT", "") or ("development" if debug else "production")
    release = env.str("SENTRY_RELEASE", "") or version
    if dsn and find_spec("sentry_sdk") is None:
        env.refuse("SENTRY_DSN", "needs sentry-sdk: pip install -r requirements/prod.txt")
    return Sentry(dsn, environment, release) if dsn else None


stops: list[Callable[[], None]] = []


def observe(program: Program) -> None:
    """Start the traces and the reports that are set. Called once in each process that serves or runs tasks, after the
    fork: their threads do not survive one."""
    for name in [name for name, value in os.environ.items() if name.startswith("OTEL_") and not value]:
        del os.environ[name]  # set to nothing means not set, which the libraries do not know of each variable
    for setting, module in MODULES.items():
        if getattr(settings, setting):
            stops.append(import_module(module).start(program))
            atexit.register(stops[-1])


def stop_observing() -> None:
    """Send what is left, in a process that ends without the functions of `atexit`. Each wait has an end."""
    for stop in stops:
        stop()
