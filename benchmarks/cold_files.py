"""Count the files of the product that one cold request runs through: `python -m benchmarks.cold_files`.

Each request is the first one of a process that has imported everything, so it is served without compiled statements
and caches. A file counts when one of its functions is called. With fewer files a reader follows a
request sooner.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BODY = json.dumps({"title": "Minutes", "content": "Of the meeting.", "tags": ["work"]})
# (method, path, body, status, the highest number of files)
REQUESTS = (
    ("GET", "/api/v1/resources", "", "200 OK", 12),
    ("POST", "/api/v1/resources", BODY, "201 Created", 16),
)


def files_of(*request: str) -> tuple[str, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": f"sqlite:///{folder}/cold.sqlite3",
            "DEBUG": "false",  # with it requests are recorded for the pages of developers
            "SECRET_KEY": secrets.token_urlsafe(64),
            "ALLOWED_HOSTS": "localhost",
            "SECURE_SSL_REDIRECT": "false",
            "REDIS_URL": "",
            "CELERY_BROKER_URL": "",
        }
        command = [sys.executable, "-m", "benchmarks.cold_request", *request]
        output = subprocess.check_output(
            command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, text=True, timeout=120
        )
    result = json.loads(output.splitlines()[-1])
    return result["status"], result["files"]


def main() -> int:
    has_failed = False
    for method, path, body, expected, limit in REQUESTS:
        status, files = files_of(method, path, body)
        has_failed |= status != expected or len(files) > limit
        print(f"{method} {path}: {status}, {len(files)} files (at most {limit})", *files, sep="\n  ")
    return has_failed


if __name__ == "__main__":
    sys.exit(main())
