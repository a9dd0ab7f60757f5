"""Requests to every operation of the OpenAPI document, valid but for the part that a test replaces."""

import copy
import json
import re
from contextlib import contextmanager

from django.db import transaction
from uuid_utils.compat import uuid7

from accounts.tests.factories import UserFactory
from config.tests import matrix
from core.tests import contract
from core.tests.cost import cpu_seconds

JSON = "application/json"
VARIABLE = re.compile(r"\{\w+\}")
OPERATIONS = dict(contract.operations())
# They look for the session by a cookie, or by the token in the body, before anything else.
BY_TOKEN = ("/auth/csrf", "/auth/refresh")
MAX_SECONDS = (
    2  # processor time of one request: most take 5 ms, the first OpenAPI document of a process half a second
)


def content_of(name):
    """Return the described body of an operation, e.g. of `POST /api/v1/resources`."""
    return contract.resolved(OPERATIONS[name].get("requestBody", {})).get("content", {})


def with_json():
    return [name for name in OPERATIONS if JSON in content_of(name)]


def with_files():
    return [name for name in OPERATIONS if "multipart/form-data" in content_of(name)]


def parameters(name):
    """Return {name: schema} of the query parameters of an operation."""
    described = map(contract.resolved, OPERATIONS[name].get("parameters", ()))
    return {item["name"]: contract.resolved(item["schema"]) for item in described if item["in"] == "query"}


# --- requests --------------------------------------------------------------------------------------


def in_matrix(name):
    method, path = name.split()
    return f"{method} {VARIABLE.sub('{id}', path)}"


def path_of(name, caller):
    """Return the path with keys of objects of the caller."""
    path, operation = name.split()[1], in_matrix(name)
    if "{" not in path:
        return path
    if operation in matrix.row_operations():
        keys = matrix.keys(operation, caller.user)
    else:
        keys = [caller.session_id if "/sessions/" in path else UserFactory().pk]
    for key in keys:
        path = VARIABLE.sub(str(key), path, count=1)
    return path


def body_of(name, caller):
    """Return a body that the operation accepts, or at least describes."""
    operation = in_matrix(name)
    if operation in matrix.row_operations():
        return matrix.body(operation, caller.user)[0]
    return copy.deepcopy(content_of(name)[JSON].get("example", {}))


@contextmanager
def undone():
    """Roll back what a request writes, so that the next one has the same state."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def send(caller, method, path, data=b"", content_type=JSON, **headers):
    """Return the response, which is read to its end. Fails for a 5xx, and for a request that takes too long."""
    with undone():
        with cpu_seconds(MAX_SECONDS):
            response = caller.generic(method, path, data, content_type=content_type, **headers)
        if response.streaming:
            b"".join(response.streaming_content)
    sent = f"{method} {path[:200]} {data[:200]!r} {str(headers)[:200]}"
    assert response.status_code < 500, sent
    return response


def share(values, name, number):
    """Return a third of the values for the field of this number. Its neighbours and other operations get the others."""
    return values[(list(OPERATIONS).index(name) + number) % 3 :: 3]


def encoded(body):
    return json.dumps(body).encode()


# --- schemas ---------------------------------------------------------------------------------------


def fields(schema, above=()):
    """Yield the path of each field of a body, e.g. `("operations", 0, "data", "title")`, those of all forms of it, with
    its schema."""
    schema = contract.resolved(schema)
    for form in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(form, ()):
            yield from fields(part, above)
    for name, part in schema.get("properties", {}).items():
        if not contract.resolved(part).get("readOnly"):
            yield (*above, name), contract.resolved(part)
            yield from fields(part, (*above, name))
    if "items" in schema:
        yield (*above, 0), contract.resolved(schema["items"])
        yield from fields(schema["items"], (*above, 0))


def places(schema):
    return [place for place, _ in fields(schema)]


def replaced(body, place, value):
    """Return a copy of the body with this value at the place; what the place needs above it is added."""
    *above, last = place
    body = copy.deepcopy(body)
    node = body
    for step, following in zip(above, place[1:], strict=True):
        empty = [] if isinstance(following, int) else {}
        if isinstance(step, int):
            node[:] = node or [empty]
        elif not isinstance(node.get(step), type(empty)):
            node[step] = empty
        node = node[step]
    if isinstance(last, int):
        node[:] = [value, *node[1:]]
    else:
        node[last] = value
    return body


def unknown_id():
    return str(uuid7())
