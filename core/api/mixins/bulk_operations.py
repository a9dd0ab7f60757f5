"""The body of a bulk request: which operations it holds, and what is wrong with them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rest_framework.exceptions import ValidationError

from core.api.mixins.bulk_schema import MAX_OPERATIONS
from core.api.serializers import refuse_unknown_fields, refuse_unknown_names
from core.web.error_details import flatten
from core.web.errors import ApiError

Problem = dict[str, Any]  # one of an error's `details`
# The names that an operation may have, by method.
NAMES = {
    "create": frozenset({"method", "data"}),
    "update": frozenset({"method", "id", "ifMatch", "data"}),
    "delete": frozenset({"method", "id", "ifMatch"}),
}


@dataclass(frozen=True)
class Operation:
    index: int
    method: str
    pk: UUID | None = None  # of update and delete
    if_match: str | None = None
    data: Any = None  # of create and update
    values: Mapping[str, Any] | None = (
        None  # the same, validated; None where each row has a serializer of its own
    )
    new_pk: UUID | None = None  # of what an import creates


def read_operations(
    body: Any, methods: Sequence[str], serializer_for: Callable[[str], Any], *, strict: bool = False
) -> list[Operation]:
    """Return the operations. `serializer_for` returns the serializer that validates any number of rows of a method, or
    None. With `strict` a name that would be ignored is a problem. Raises ApiError with every problem of every
    operation."""
    listed = body.get("operations")
    if "operations" not in body:
        raise refusal([top("required", "This field is required.")])
    if not isinstance(listed, list):
        raise refusal([top("not_a_list", "Must be a list of operations.")])
    if not 1 <= len(listed) <= MAX_OPERATIONS:
        raise refusal([top("length", f"Must hold 1 to {MAX_OPERATIONS} operations.")])
    operations: list[Operation] = []
    problems: list[Problem] = unknown_names(body, {"operations"}) if strict else []
    for index, item in enumerate(listed):
        operation, wrong = read_operation(index, item, methods, serializer_for)
        operations.append(operation)
        problems += wrong
        if strict and operation.method:
            problems += prefixed(index, unknown_names(item, NAMES[operation.method]))
    problems += repetitions(operations)
    if problems:
        raise refusal(problems)
    return operations


def read_operation(
    index: int, item: Any, methods: Sequence[str], serializer_for: Callable[[str], Any]
) -> tuple[Operation, list[Problem]]:
    if not isinstance(item, dict):
        return Operation(index, ""), [problem(index, "", "invalid", "Must be an object.")]
    method = item.get("method")
    if not isinstance(method, str) or method not in methods:
        code = "invalid_choice" if "method" in item else "required"
        return Operation(index, ""), [problem(index, "method", code, f"One of {', '.join(methods)}.")]
    problems: list[Problem] = []
    pk = if_match = values = None
    if method != "create":
        pk = uuid_of(item.get("id"))
        if pk is None:
            code = "invalid" if "id" in item else "required"
            problems.append(problem(index, "id", code, "Must be the id of an object, a UUID."))
        if_match = item.get("ifMatch")
        if "ifMatch" in item and not isinstance(if_match, str):
            problems.append(problem(index, "ifMatch", "invalid", "Must be the version of the object."))
        elif if_match is not None and '"' not in if_match and if_match.strip() != "*":
            if_match = f'"{if_match}"'  # a `version`, or an ETag
    if method != "delete":
        values, wrong = validated(serializer_for(method), item.get("data"))
        problems += prefixed(index, wrong)
    return Operation(index, method, pk, if_match, item.get("data"), values), problems


def prefixed(index: int, problems: Iterable[Problem]) -> list[Problem]:
    return [
        {**one, "field": ".".join(filter(None, ("operations", str(index), one["field"])))} for one in problems
    ]


def unknown_names(item: Mapping[str, Any], known: Collection[str]) -> list[Problem]:
    try:
        refuse_unknown_names(item, known)
    except ValidationError as error:
        return list(flatten(error.detail))
    return []


def values_of(operation: Operation) -> dict[str, Any]:
    values = dict(operation.values or {})
    return values if operation.new_pk is None else {**values, "id": operation.new_pk}


def validated(serializer: Any, data: Any) -> tuple[dict[str, Any] | None, list[Problem]]:
    """Return (validated values, []) or (None, what is wrong). One serializer serves any number of rows: for bulk
    operations and imports, which do not stop at the first wrong row. Without one the values are None.

    With `partial=True` what is not there stays out of the values. Names in the problems are the data's own.
    """
    if not isinstance(data, dict):
        code = "required" if data is None else "invalid"
        return None, [{"field": "data", "code": code, "message": "Must be an object with the fields."}]
    if serializer is None:
        return None, []
    try:
        refuse_unknown_fields(serializer, data, serializer.context.get("request"))
        return dict(serializer.run_validation(data)), []
    except ValidationError as error:
        return None, list(flatten(error.detail, field=serializer))


def uuid_of(value: Any) -> UUID | None:
    try:
        pk = UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return pk if str(pk) == value else None  # one spelling, as in paths


def repetitions(operations: Sequence[Operation]) -> list[Problem]:
    """Return the problems of objects that are named twice: a client could not rely on the order of the operations."""
    first: dict[UUID, int] = {}
    return [
        problem(item.index, "id", "repeated", f"Operation {first[item.pk]} is on this object already.")
        for item in operations
        if item.pk and first.setdefault(item.pk, item.index) != item.index
    ]


def problem(index: int, field: str, code: str, message: str) -> Problem:
    return {
        "field": f"operations.{index}.{field}".rstrip("."),
        "code": code,
        "message": message,
    }


def top(code: str, message: str) -> Problem:
    return {"field": "operations", "code": code, "message": message}


def refusal(problems: list[Problem]) -> ApiError:
    return ApiError("VALIDATION_ERROR", details=problems)
