"""One keep-alive connection to a contender, for responses that are checked and not only counted."""

import base64
import hashlib
import hmac
import http.client
import json
import time
from typing import Any

from benchmarks.contenders import Contender


class Unexpected(Exception):
    """A contender's response is not the expected one, so the figure would measure something else."""


class Client:
    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def send(
        self, method: str, path: str, token: str = "", body: Any = None, **headers: str
    ) -> tuple[int, Any, bytes]:
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent |= {"Authorization": f"Bearer {token}"} if token else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, None if body is None else json.dumps(body), sent)
        response = self.connection.getresponse()
        return response.status, response.headers, response.read()

    def json(self, method: str, path: str, token: str = "", body: Any = None, expected: int = 200) -> Any:
        status, _headers, data = self.send(method, path, token, body)
        if status != expected:
            raise Unexpected(f"{method} {path}: {status} instead of {expected}: {data[:300]!r}")
        return json.loads(data)


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_token(user_id: str, secret: str) -> str:
    """Return a JWT (HS256), for the contender without a login."""
    claims = {"sub": user_id, "exp": int(time.time()) + 36_000}
    parts = [unpadded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = hmac.digest(secret.encode(), ".".join(parts).encode(), hashlib.sha256)
    return ".".join((*parts, unpadded(signature)))


def page(client: Client, contender: Contender, token: str, search: str = "") -> tuple[int, list[Any]]:
    """Return (total, rows) of the first page, with the fields that every contender has."""
    rows, total = contender.page_of(client.json("GET", contender.list_path(search), token))
    return total, [meaning(row) for row in rows]


def detail(client: Client, contender: Contender, token: str, key: str) -> Any:
    return meaning(contender.object_of(client.json("GET", contender.object_path(key), token)))


def create(client: Client, contender: Contender, token: str, body: Any) -> Any:
    """Return what was created, without its key, which each contender chooses itself."""
    response = client.json("POST", contender.list_path(), token, body, expected=201)
    made = contender.object_of(response)
    stored = detail(client, contender, token, made["id"])
    return {"created": meaning(made) | {"id": ""}, "stored": stored | {"id": ""}}


def meaning(row: Any) -> dict[str, Any]:
    plain = {name: row[name] for name in ("id", "title", "content", "status")}
    return plain | {"tags": sorted(row["tags"])}
