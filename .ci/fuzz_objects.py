"""Sample objects for the fuzzing run, since generated ids match no existing object."""

import json
import secrets
import urllib.request
from typing import Any

from live import ROOT

API = "/api/v1"
EXAMPLE = ROOT / "resources"
COUNT = 300  # of resources; some are deleted on the way
BOUNDARY = "fuzz"


def call(
    url: str, body: Any = None, token: str = "", kind: str = "application/json", method: str = ""
) -> Any:
    headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    method = method or ("GET" if data is None else "POST")
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310  # our own server
    with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
        return json.load(response)


def make_objects(base: str, token: str, *, admin: bool) -> dict[str, list[dict[str, str]]]:
    """Create objects and return {path: [the path parameters of an object]}."""
    api = base + API
    known = objects_of_example(api, token) if EXAMPLE.is_dir() else {}
    users = [make_user(api, number, token) for number in range(40)] if admin else []
    return known | {f"{API}/users/{{id}}": [{"id": pk} for pk in users]}


def objects_of_example(api: str, token: str) -> dict[str, list[dict[str, str]]]:
    made: list[str] = []
    for start in range(0, COUNT, 100):
        operations = [
            {"method": "create", "data": {"title": f"Object {number}", "tags": [f"tag {number}"]}}
            for number in range(start, start + 100)
        ]
        made += [
            row["id"] for row in call(f"{api}/resources/bulk", {"operations": operations}, token)["data"]
        ]
    deleted, remaining = made[: COUNT // 3], made[COUNT // 3 :]
    deletions = [{"method": "delete", "id": pk} for pk in deleted]
    call(f"{api}/resources/bulk", {"operations": deletions}, token)
    tags = [row["id"] for row in call(f"{api}/tags?limit=100", token=token)["data"]]
    attached = [{"id": pk, "attachmentId": attach(api, pk, token)} for pk in remaining[:50]]
    jobs = [call(f"{api}/resources/export", {"format": "json"}, token)["data"]["id"] for _ in range(20)]
    one = {
        "/resources/{id}": remaining,
        "/resources/{id}/history": [*remaining, *deleted],
        "/resources/{id}/attachments": [parameters["id"] for parameters in attached],
        "/resources/{id}/restore": deleted,
        "/tags/{id}": tags,
        "/jobs/{id}": jobs,
    }
    known = {API + path: [{"id": pk} for pk in keys] for path, keys in one.items()}
    return known | {f"{API}/resources/{{id}}/attachments/{{attachmentId}}": attached}


def attach(api: str, pk: str, token: str) -> str:
    part = 'Content-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain'
    body = f"--{BOUNDARY}\r\n{part}\r\n\r\nSome words.\r\n--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    attachment: str = call(f"{api}/resources/{pk}/attachments", body, token, kind)["data"]["id"]
    return attachment


def make_user(api: str, number: int, token: str) -> str:
    password = f"A1{secrets.token_hex(8)}"
    body = {"email": f"somebody-{number}@example.com", "name": "Somebody", "password": password}
    user: str = call(f"{api}/users", body, token)["data"]["id"]
    return user
