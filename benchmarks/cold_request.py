"""Print the files of the product that one request runs through, for benchmarks/cold_files.py, in a process of its own.

The first argument is the method, the second the path, the third the body. The environment names an empty database.
"""

import json
import sys
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import Any

import django
from django.core.management import call_command
from django.urls import get_resolver

django.setup()

from accounts.models import User  # noqa: E402
from accounts.services.sessions import open_session  # noqa: E402
from config.wsgi import application  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
OURS = tuple(f"{ROOT}/{name}/" for name in ("core", "accounts", "resources", "config"))


def environ_of(method: str, path: str, body: bytes, token: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.input": BytesIO(body),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
    }


def main(method: str, path: str, body: str) -> None:
    call_command("migrate", verbosity=0)
    token = open_session(User.objects.create_user("reader@example.com", "Reader")).access
    assert get_resolver().url_patterns  # imported before, as in a server that has started
    environ = environ_of(method, path, body.encode(), token)
    files: set[str] = set()
    statuses: list[str] = []

    def trace(frame: FrameType, _event: str, _argument: Any) -> None:
        files.add(frame.f_code.co_filename)

    def start_response(status: str, *_headers: Any) -> None:
        statuses.append(status)

    sys.settrace(trace)
    try:
        b"".join(application(environ, start_response))
    finally:
        sys.settrace(None)
    own = sorted(str(Path(file).relative_to(ROOT)) for file in files if file.startswith(OURS))
    print(json.dumps({"status": statuses[0], "files": own}))


if __name__ == "__main__":
    main(*sys.argv[1:])
