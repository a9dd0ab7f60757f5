"""The access matrix: which role gets which status from which operation.

Rows of a resource whose model's `access` names an owner follow from the declaration. access_matrix.txt has the others,
and those that differ.
"""

import re
from functools import cache
from pathlib import Path

from rest_framework import serializers

from accounts.models import Role
from config.tests import inventory
from core.api.row_access import has_model, model_of
from core.db.access import levels, target_of
from core.jobs.services import kind_of
from core.tests import contract
from core.tests.factories import DryRunFactory
from core.tests.samples import upload

FILE = Path(__file__).parent / "access_matrix.txt"
# A new role is a column by itself.
ROLES = ("anonymous", "stranger", "owner", *(role for role in Role.values if role != Role.USER), "revoked")
READS = {"list": 200, "retrieve": 200, "trash": 200, "history": 200, "changes": 200}
WRITES = {
    "create": 201,
    "update": 200,
    "partial_update": 200,
    "destroy": 204,
    "restore": 200,
    "bulk": 200,
} | {"empty_trash": 204}
JOBS = {"export": 202, "import_rows": 202}
STATUSES = READS | WRITES | JOBS


def written():
    """Return {"GET /path": {role: status}} of the file. See `complete` for a role that its heading does not name."""
    lines = FILE.read_text().splitlines()
    named = next(line for line in lines if line.startswith("# method")).split()[3:]
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return {
        f"{method} {path}": complete(
            dict(zip(named, map(int, statuses), strict=True)), readers_only(f"{method} {path}")
        )
        for method, path, *statuses in rows
    }


def line(operation, row):
    """Return a row in the format of the file."""
    method, path = operation.split()
    return f"{method:7} {path:41}" + "".join(f"{row[role]:>{len(role) + 1}}" for role in ROLES)


def complete(row, readers=()):
    """Add the roles that a row does not name. Each gets what a stranger gets, but 403 for an object that it reads."""
    return {role: row.get(role, 403 if role in readers else row["stranger"]) for role in ROLES}


def readers_only(operation):
    """Return the roles that read the object of an app's own action, and may not write it."""
    view_class, _action = owned_operations().get(operation, (None, None))
    if view_class is None or "{id}" not in operation or operation.startswith("GET"):
        return set()
    model = model_of_access(view_class)
    return {
        role
        for role in Role.values
        if covers(model, "read_all", role) and not covers(model, "write_all", role)
    }


@cache
def owned_operations():
    """Return {"GET /path": (viewset, action)} of the rows of an owner, own actions of the viewsets included."""
    return {
        f"{method.upper()} {path}": (callback.cls, action)
        for path, callback in inventory.routes().items()
        if hasattr(callback, "actions") and owner_path(model_of_access(callback.cls))
        for method, action in callback.actions.items()
    }


@cache
def declared_operations():
    """Return {"GET /path": (viewset, action)} of the rows that follow from a declaration."""
    operations = {operation: item for operation, item in owned_operations().items() if item[1] in STATUSES}
    for path, callback in inventory.routes().items():
        if not hasattr(callback, "actions") or not owner_path(model_of_access(callback.cls)):
            continue
        if callback.actions.get("get") == "list" and callback.cls.has_scope():
            operations[f"GET {path}?scope=all"] = callback.cls, "scope"
    return operations


def declared():
    return {
        operation: {role: expected(view_class, action, "{id}" in operation, role) for role in ROLES}
        for operation, (view_class, action) in declared_operations().items()
    }


def expected(view_class, action, is_object, role):
    """Return the status that follows from the `access` of the rows."""
    if role in {"anonymous", "revoked"}:
        return 401
    model = model_of_access(view_class)
    reads = covers(model, "read_all", role)
    if action == "scope":
        return 200 if reads else 403
    if role == "owner" or not is_object:
        return STATUSES[action]
    if not reads:
        return 404
    return STATUSES[action] if action in READS or covers(model, "write_all", role) else 403


def covers(model, roles, role):
    """Return whether the role may read or write every row of the model, or of a parent."""
    named = Role.USER if role == "stranger" else role
    return any(named in getattr(each.access, roles) for each in levels(model))


def model_of_access(view_class):
    """Return the model whose access applies: of attachments, the model that they are attached to."""
    deciding = getattr(view_class, "parents", view_class)
    return model_of(deciding) if has_model(deciding) else None


def owner_path(model):
    """Return the path to the owner, such as `customer__user`; "" where the access is not by one owner."""
    access = getattr(model, "access", None)
    if access is None or access.public is not None or access.members or access.owner == "pk":
        return ""
    if access.owner or not access.parent:
        return access.owner
    above = owner_path(target_of(model, access.parent))
    return above and f"{access.parent}__{above}"


# --- requests --------------------------------------------------------------------------------------


def row_of(model, user):
    """Create a row of the user; of a model whose rows have no one owner, what its factory makes."""
    path = owner_path(model)
    return inventory.factories()[model](**({path: user} if path else {}))


def keys(operation, user):
    """Create the objects of the path, and return their keys: of a row of the user, and of what is attached to it."""
    view_class, action = owned_operations()[operation]
    if not hasattr(view_class, "parents"):
        row = row_of(view_class.queryset.model, user)
        if action == "restore":
            row.soft_delete()
        return (row.pk,)
    model = view_class.queryset.model
    row = inventory.factories()[model](
        **{f"{model.parent}__{owner_path(model_of(view_class.parents))}": user}
    )
    return getattr(row, f"{model.parent}_id"), row.pk


def body(operation, user):
    """Return a valid body of the caller, with its format."""
    view_class, action = declared_operations()[operation]
    if action == "create" and hasattr(view_class, "parents"):
        return upload(b"Hello", "hello.txt"), "multipart"
    if action == "export":
        return {"format": "csv"}, "json"
    if action == "import_rows":
        dry_run = DryRunFactory(user=user, kind=kind_of(view_class, "import")) if user else None
        return {"dryRunId": str(dry_run.pk) if dry_run else "0"}, "json"
    if action == "bulk":
        data = example(operation.removesuffix("/bulk"), view_class, user)
        return {"operations": [{"method": "create", "data": data}]}, "json"
    return example(operation, view_class, user), "json"


def example(operation, view_class, user):
    """Return the example of the OpenAPI document, with rows of the caller in its relations."""
    method, path = operation.split()
    described = {
        re.sub(r"\{\w+\}", "{id}", name): item for name, item in contract.document()["paths"].items()
    }
    content = described[path][method.lower()].get("requestBody", {}).get("content", {})
    data = dict(content.get("application/json", {}).get("example") or {})
    for name, field in view_class.serializer_class().fields.items():
        if isinstance(field, serializers.PrimaryKeyRelatedField) and name in data and user:
            data[name] = str(row_of(field.get_queryset().model, user).pk)
    return data
