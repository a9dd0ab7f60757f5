"""The machine of a measurement: processors, memory and versions, without host names, addresses and paths."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis

from benchmarks.contenders import BENCH_PYTHON, PEERS, ROOT
from benchmarks.hardware import memory_gib, processor

OURS = ("Django", "djangorestframework", "psycopg", "granian", "orjson", "PyJWT")
PYTHON_PEERS = (
    *("Django", "djangorestframework", "djangorestframework-simplejwt", "gunicorn", "django-ninja"),
    *("fastapi", "SQLAlchemy", "asyncpg", "uvicorn", "granian"),
)
NODE_PEERS = ("express", "pg", "jsonwebtoken", "bcrypt")
DURABILITY = ("fsync", "synchronous_commit", "shared_buffers")
SHOW_VERSIONS = (
    "import json, platform, sys; from importlib.metadata import version;"
    "print(json.dumps({'Python': platform.python_version()} | {name: version(name) for name in sys.argv[1:]}))"
)


def package_versions(python: str, names: tuple[str, ...]) -> dict[str, str]:
    done = subprocess.run([python, "-c", SHOW_VERSIONS, *names], capture_output=True, text=True, check=True)
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


def node_versions() -> dict[str, str]:
    folder = PEERS / "express" / "node_modules"
    versions = {
        name: json.loads((folder / name / "package.json").read_text())["version"] for name in NODE_PEERS
    }
    done = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    return {"Node": done.stdout.strip().removeprefix("v")} | versions


def wrk_version() -> str:
    done = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).split("[")[0].removeprefix("wrk").strip()


def services(database_url: str, redis_url: str) -> dict[str, str]:
    with psycopg.connect(urlsplit(database_url)._replace(path="/postgres").geturl()) as connection:
        described = {
            "PostgreSQL": f"{connection.info.server_version // 10000}.{connection.info.server_version % 10000}"
        }
        for name in DURABILITY:
            row = connection.execute(f"SHOW {name}").fetchone()
            described[name] = row[0] if row else ""
    info: Any = redis.Redis.from_url(redis_url).info("server")
    name = "Valkey" if "valkey_version" in info else "Redis"
    return described | {name: info[f"{name.lower()}_version"]}


def describe(database_url: str, redis_url: str, names: list[str]) -> dict[str, Any]:
    described = {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": memory_gib(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "services": services(database_url, redis_url) | {"wrk": wrk_version()},
        "ours": package_versions(str(ROOT / ".venv" / "bin" / "python"), OURS),
    }
    if set(names) & {"stock_drf", "django_ninja", "fastapi_sqlalchemy", "bare_django"}:
        described["python_peers"] = package_versions(BENCH_PYTHON, PYTHON_PEERS)
    if "express" in names:
        described["node_peers"] = node_versions()
    return described
