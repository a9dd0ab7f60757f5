"""Who runs against whom: how each is built, started, filled and requested, and how its responses are read."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
BENCH_PYTHON = str(ROOT / ".venv-bench" / "bin" / "python")
WORKERS = 2

# What is copied out of our own database, once for each table; each contender names its own table.
USERS = "SELECT id, email, name, {password} FROM accounts_user ORDER BY id"
ACTIVE_USERS = "SELECT id, email, name, {password}, true FROM accounts_user ORDER BY id"
DJANGO_USERS = (
    "SELECT id, email, name, password, false, false, true, created_at FROM accounts_user ORDER BY id"
)
RESOURCES = (
    "SELECT id, user_id, title, content, status, created_at, updated_at FROM resources_resource ORDER BY id"
)
TAGS = "SELECT id, user_id, name FROM resources_tag ORDER BY id"
LINKS = "SELECT resource_id, tag_id FROM resources_resourcetag ORDER BY id"


@dataclass(frozen=True)
class Contender:
    name: str
    title: str
    server: str
    command: list[str]  # {port} is filled in
    folder: Path = PEERS
    environment: dict[str, str] = field(default_factory=dict)
    prepare: list[list[str]] = field(default_factory=list)  # commands that make the schema
    schema: Path | None = None  # or a file of SQL
    packages: Path | None = None  # a folder that must be there
    # (what is read from ours, where it goes)
    copies: tuple[tuple[str, str], ...] = ()
    resources: str = "/api/resources"
    slash: str = ""
    newest_first: str = ""  # for a search, where that is not the order anyway
    login: str | None = "/api/login"
    token_of: Callable[[Any], str] = lambda body: str(body["token"])
    page_of: Callable[[Any], tuple[list[Any], int]] = lambda body: (body["data"], body["total"])
    object_of: Callable[[Any], Any] = lambda body: body

    def list_path(self, search: str = "") -> str:
        path = f"{self.resources}{self.slash}"
        return f"{path}?search={quote(search)}{self.newest_first}" if search else path

    def object_path(self, key: str) -> str:
        return f"{self.resources}/{key}{self.slash}"


def plain() -> tuple[tuple[str, str], ...]:
    return (
        (USERS, "users (id, email, name, password_hash)"),
        (RESOURCES, "resources (id, user_id, title, content, status, created_at, updated_at)"),
        (TAGS, "tags (id, user_id, name)"),
        (LINKS, "resource_tags (resource_id, tag_id)"),
    )


DJANGO_COPIES = (
    (
        DJANGO_USERS,
        "records_user (id, email, name, password, is_superuser, is_staff, is_active, date_joined)",
    ),
    (RESOURCES, "records_resource (id, user_id, title, content, status, created_at, updated_at)"),
    (TAGS, "records_tag (id, user_id, name)"),
    (LINKS, "records_resource_tags (resource_id, tag_id)"),
)


def gunicorn(application: str) -> list[str]:
    bind = ["--bind", "127.0.0.1:{port}", "--workers", str(WORKERS), "--no-control-socket"]
    return [BENCH_PYTHON, "-m", "gunicorn", application, *bind]


def migrate(settings: str) -> list[list[str]]:
    return [[BENCH_PYTHON, "-m", "django", "migrate", "--settings", settings, "--verbosity", "0"]]


OURS = Contender(
    name="ours",
    title="This project",
    server=f"granian, {WORKERS} workers (`manage.py serve`)",
    command=[sys.executable, "manage.py", "serve", "--port", "{port}", "--workers", str(WORKERS)],
    folder=ROOT,
    resources="/api/v1/resources",
    newest_first="&sort=-createdAt",
    login="/api/v1/auth/login",
    token_of=lambda body: str(body["data"]["tokens"]["accessToken"]),
    page_of=lambda body: (body["data"], body["meta"]["total"]),
    object_of=lambda body: body["data"],
)
PEER_LIST = (
    Contender(
        name="stock_drf",
        title="stock DRF",
        server=f"gunicorn, {WORKERS} sync workers",
        command=gunicorn("stock_drf.wsgi"),
        prepare=migrate("stock_drf.settings"),
        copies=DJANGO_COPIES,
        slash="/",
        login="/api/token/",
        token_of=lambda body: str(body["access"]),
        page_of=lambda body: (body["results"], body["count"]),
    ),
    Contender(
        name="django_ninja",
        title="django-ninja",
        server=f"gunicorn, {WORKERS} sync workers",
        command=gunicorn("django_ninja.wsgi"),
        prepare=migrate("django_ninja.settings"),
        copies=DJANGO_COPIES,
        login="/api/token",
        token_of=lambda body: str(body["access"]),
        page_of=lambda body: (body["items"], body["count"]),
    ),
    Contender(
        name="fastapi_sqlalchemy",
        title="FastAPI + SQLAlchemy",
        server=f"uvicorn, {WORKERS} workers, uvloop and httptools",
        command=[
            *(BENCH_PYTHON, "-m", "uvicorn", "fastapi_sqlalchemy.app:app", "--port", "{port}"),
            *("--workers", str(WORKERS), "--loop", "uvloop", "--http", "httptools", "--no-access-log"),
        ],
        prepare=[[BENCH_PYTHON, "-m", "fastapi_sqlalchemy.models"]],
        copies=(
            (ACTIVE_USERS, "users (id, email, name, hashed_password, is_active)"),
            *plain()[1:],
        ),
        token_of=lambda body: str(body["access_token"]),
        page_of=lambda body: (body["data"], body["count"]),
    ),
    Contender(
        name="express",
        title="Express + pg",
        server=f"node, cluster of {WORKERS} processes",
        command=["node", "server.js"],
        folder=PEERS / "express",
        packages=PEERS / "express" / "node_modules",
        environment={"NODE_ENV": "production", "WORKERS": str(WORKERS), "PORT": "{port}"},
        schema=PEERS / "express" / "schema.sql",
        copies=plain(),
    ),
    Contender(
        name="bare_django",
        title="bare Django view",
        server=f"granian, {WORKERS} workers of 1 thread",
        command=[
            *(str(Path(BENCH_PYTHON).with_name("granian")), "bare_django.app:application"),
            *("--interface", "wsgi", "--port", "{port}", "--workers", str(WORKERS)),
            *("--blocking-threads", "1", "--log-level", "warning"),
        ],
        schema=PEERS / "express" / "schema.sql",
        copies=plain(),
        resources="/resources",
        login=None,
        page_of=lambda body: (body["data"], body["meta"]["total"]),
        object_of=lambda body: body["data"],
    ),
)
# Without the cache of responses in Redis: what a client gets that requests something for the first time.
OURS_UNCACHED = replace(
    OURS, name="ours_uncached", title="This project, uncached", environment={"RESPONSE_CACHE_SECONDS": "0"}
)
ALL = {contender.name: contender for contender in (OURS, OURS_UNCACHED, *PEER_LIST)}


def libpq(database_url: str) -> dict[str, str]:
    """Return the address of a database as libpq's variables, which the drivers of every peer read."""
    parts = urlsplit(database_url)
    return {
        "PGHOST": parts.hostname or "127.0.0.1",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or "postgres"),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.lstrip("/")),
    }
