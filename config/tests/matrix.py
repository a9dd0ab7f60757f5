"""The access matrix: which role gets which status from which operation.

The rows of a resource whose `access` is declared follow from the declaration. access_matrix.txt has those of access by
hand, of models whose new rows are public, of own actions, and of everything that is no resource.
"""

import re
from functools import cache
from pathlib import Path

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from accounts.models import Role, User
from config.tests import inventory
from config.tests.rows import row_of
from core.api.row_access import has_model, model_of
from core.api.serializers import snake
from core.db.access import is_declared_to_the_top, levels
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
    "empty_trash": 204,
}
JOBS = {"export": 202, "import_rows": 202}
JOBS_OF_READERS = {"summary": 202}
STATUSES = READS | WRITES | JOBS | JOBS_OF_READERS


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
    view_class, _action = row_operations().get(operation, (None, None))
    if view_class is None or "{id}" not in operation or operation.startswith("GET"):
        return set()
    model = model_of_access(view_class)
    return {
        role
        for role in Role.values
        if covers(model, "read_all", role) and not covers(model, "write_all", role)
    }


@cache
def row_operations():
    """Return {"GET /path": (viewset, action)} of all viewsets of rows, own actions included. Users are none."""
    return {
        f"{method.upper()} {path}": (callback.cls, action)
        for path, callback in inventory.routes().items()
        if hasattr(callback, "actions") and model_of_access(callback.cls) not in {None, User}
        for method, action in callback.actions.items()
    }


@cache
def declared_operations():
    """Return {"GET /path": (viewset, action)} of the rows that follow from a declaration."""
    declared = {name: item for name, item in row_operations().items() if is_declared(item[0])}
    scopes = {
        f"{name}?scope=all": (view_class, "scope")
        for name, (view_class, action) in declared.items()
        if action == "list" and view_class.has_scope()
    }
    return {name: item for name, item in declared.items() if item[1] in STATUSES} | scopes


def is_declared(view_class):
    """Return whether the statuses of the standard actions follow from declarations, and a new row is not public."""
    model = model_of_access(view_class)
    return is_declared_to_the_top(model) and not any(map(is_public_when_new, levels(model)))


def is_public_when_new(model):
    public = model.access.public
    return public is not None and all(
        model._meta.get_field(name).get_default() == value for name, value in public.items()
    )


def serves_anonymous(view_class):
    """Return whether the view admits a reader without a log-in."""
    request = Request(APIRequestFactory().get("/"))
    return all(
        permission().has_permission(request, view_class()) for permission in view_class.permission_classes
    )


def declared():
    return {
        operation: {role: expected(view_class, action, "{id}" in operation, role) for role in ROLES}
        for operation, (view_class, action) in declared_operations().items()
    }


def expected(view_class, action, is_object, role):
    """Return the status that follows from the `access` of the rows."""
    if role == "anonymous" and action in READS and serves_anonymous(view_class):
        return 404 if is_object else STATUSES[action]
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
    for_readers = action in READS or action in JOBS_OF_READERS
    return STATUSES[action] if for_readers or covers(model, "write_all", role) else 403


def covers(model, roles, role):
    """Return whether the role may read or write every row of the model, or of a parent."""
    named = Role.USER if role == "stranger" else role
    return any(named in getattr(each.access, roles) for each in levels(model))


def model_of_access(view_class):
    """Return the model whose access applies: of attachments, the model that they are attached to."""
    deciding = getattr(view_class, "parents", view_class)
    return model_of(deciding) if has_model(deciding) else None


# --- requests --------------------------------------------------------------------------------------


def keys(operation, user):
    """Create the object of the path, a row of the user, and return the values of the path's variables."""
    view_class, action = row_operations()[operation]
    row = row_of(model_of(view_class), user)
    if action == "restore":
        row.soft_delete()
    return values_of(operation.split()[1], view_class, row)


def values_of(path, view_class, row):
    """Return the values of the variables of a path that leads to the row, or to the list that the row is in."""
    names = inventory.variables()[path]
    own = view_class.lookup_url_kwarg or view_class.lookup_field
    return tuple(
        getattr(row, view_class.lookup_field)
        if name == own
        else getattr(row, above(path, view_class, name)).pk
        for name in names
    )


NO_RELATION = (
    "{path} has the variable {name}. Name it after the foreign key of {model} that it is the key of."
)


def above(path, view_class, name):
    """Return the foreign key whose value a variable of the path is: of attachments their `parent`."""
    model = model_of(view_class)
    field = model.parent if hasattr(view_class, "parents") else snake(name).removesuffix("_id")
    assert hasattr(model, field), NO_RELATION.format(path=path, name=name, model=model.__name__)
    return field


def body(operation, user):
    """Return a valid body of the caller, with its format."""
    view_class, action = row_operations()[operation]
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
        relation = getattr(field, "child_relation", field)  # of a relation to many rows
        if isinstance(relation, serializers.PrimaryKeyRelatedField) and name in data and user:
            key = str(row_of(relation.get_queryset().model, user).pk)
            data[name] = key if relation is field else [key]
    return data
