"""Changes to each request of the fuzzing run before it is sent (`make fuzz`)."""

import json
import os
import random
from pathlib import Path
from typing import Any
from uuid import UUID

import schemathesis  # type: ignore[import-not-found]  # in an environment of its own

# {path: [the path parameters of an object that is there]}, written by fuzz.py.
KNOWN: dict[str, list[dict[str, str]]] = json.loads(Path(os.environ["FUZZ_KNOWN"]).read_text())
BULK = "/api/v1/resources/bulk"
OF_BULK = "/api/v1/resources/{id}"
SHORT = 40  # less than any limit of a text
NAMES_OF_ROUTES = {"export", "import", "bulk", "trash", "me"}


@schemathesis.hook
def filter_body(_context: Any, body: Any) -> bool:
    """Leave out long texts between spaces: their length counts without these, which JSON Schema cannot express."""
    if isinstance(body, dict):
        return all(filter_body(_context, value) for value in body.values())
    if isinstance(body, list):
        return all(filter_body(_context, item) for item in body)
    return not isinstance(body, str) or len(body) <= SHORT or body == body.strip()


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    if isinstance(case.body, dict) and case.body.get("role") == "admin":
        # No second admin: the last admin can be neither demoted nor deleted, and this run needs its own.
        case.body = case.body | {"role": "staff"}
    if case.meta is not None and str(case.meta.phase.name) == "stateful":
        # It follows its own objects, and takes the last part of any Location for an id.
        if (case.path_parameters or {}).get("id") in NAMES_OF_ROUTES:
            case.path_parameters = case.path_parameters | {"id": str(UUID(int=0))}
        return
    chance = random.Random(case.id)  # noqa: S311
    known = KNOWN.get(case.operation.path)
    if known and are_ids(case.path_parameters) and chance.random() < 0.6:
        case.path_parameters = dict(chance.choice(known))
    if case.operation.path == BULK and isinstance(case.body, dict):
        case.body = with_known_ids(case.body, chance)


def are_ids(parameters: Any) -> bool:
    """Return whether all parameters are UUIDs. Other values are sent unchanged."""
    try:
        return bool(parameters) and all(str(UUID(value)) == value for value in dict(parameters).values())
    except (ValueError, AttributeError, TypeError):
        return False


def with_known_ids(body: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    operations = body.get("operations")
    if not isinstance(operations, list) or chance.random() < 0.3:
        return body
    known = [parameters["id"] for parameters in KNOWN.get(OF_BULK, [])]
    chance.shuffle(known)
    changed = [
        item | {"id": known.pop()} if isinstance(item, dict) and are_ids({"id": item.get("id")}) else item
        for item in operations
    ]
    return body | {"operations": changed}
