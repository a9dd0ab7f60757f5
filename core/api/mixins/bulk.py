"""Bulk operations: up to 100 creations, changes and deletions in one call, all or none of them.

The number of statements depends on the kinds of operations, not on how many there are. Everything that can be told
from the body alone is told before the transaction begins, of all operations at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from core.api.etags import matches
from core.api.idempotency import idempotent
from core.api.mixins.bulk_schema import MOST_OPERATIONS, bulk_request, bulk_results
from core.api.overrides import override_of
from core.api.row_access import SAVING_HOOKS
from core.api.viewsets import BaseViewSet
from core.audit import services as audit
from core.web.errors import ApiError, flatten

Method = Literal["create", "update", "delete"]
METHODS: tuple[str, ...] = get_args(Method)

Problem = dict[str, Any]  # one of an error's `details`


class BulkRefused(ApiError):
    """The operations that are to blame are in `details`, whatever the code."""

    def __init__(self, code: str, details: Iterable[Problem]) -> None:
        super().__init__(code, details=details)


@dataclass(frozen=True)
class Operation:
    index: int
    method: str
    pk: UUID | None = None  # of update and delete
    if_match: str | None = None
    values: Mapping[str, Any] | None = None  # of create and update, validated


class BulkViewSet(BaseViewSet):
    """A BaseViewSet with `POST …/bulk`. Its serializer also has, beside `create` and `update`,

    - `create_many(items)`: one new instance for each item of validated values, in order;
    - `update_many(changes)`: changes the instance of each (instance, validated values) in place.

    Both with a number of statements that does not grow. The validation of an update sees no instance: what
    depends on the stored row is the service's to check.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        hook = override_of(cls, among=SAVING_HOOKS)
        if hook is not None:
            raise ImproperlyConfigured(
                f"{hook} is not called by bulk operations and imports. Put its rule into `create` and `create_many`, "
                "or `update` and `update_many`, of the serializer."
            )

    documented_errors: ClassVar = {"bulk": ("NOT_FOUND", "PRECONDITION_FAILED", "CONFLICT")}
    detailed_errors: ClassVar = {"bulk": frozenset({"NOT_FOUND", "PRECONDITION_FAILED"})}
    described_bodies: ClassVar[dict[str, Any]] = {"bulk": (bulk_request, bulk_results)}

    @action(detail=False, methods=["post"], url_path="bulk")
    @idempotent(prepare="read_operations")
    def bulk(self, request: Any, *args: Any, prepared: list[Operation], **kwargs: Any) -> Response:
        """Create, change and delete many at once. All of the operations are done, or none."""
        with transaction.atomic():
            results = self.carry_out(prepared)
        return Response(results)

    def read_operations(self, request: Any, *args: Any, **kwargs: Any) -> list[Operation]:
        return read_operations(
            request.data, new=self.get_serializer(), changed=self.get_serializer(partial=True)
        )

    def carry_out(self, operations: Sequence[Operation]) -> list[dict[str, Any]]:
        """The results, in order. In a transaction; raises BulkRefused before anything is written.

        Deletions happen first and creations last, so that a unique value that one gives up is free for another.
        """
        held = self.hold(operations)
        rows = {item.index: held[item.pk] for item in operations if item.pk}
        deletions, changes, creations = (
            [item for item in operations if item.method == method]
            for method in ("delete", "update", "create")
        )
        before = self.shown(changes, rows)
        serializer: Any = self.get_serializer()
        if deletions:
            self.perform_bulk_destroy([rows[item.index] for item in deletions])
        if changes:
            serializer.update_many([(rows[item.index], item.values) for item in changes])
        if creations:
            created = serializer.create_many([item.values for item in creations])
            rows |= {item.index: row for item, row in zip(creations, created, strict=True)}
        after = self.shown([*changes, *creations], rows)
        self.record_bulk(operations, rows, before, after)
        return [result(item, rows[item.index], after) for item in operations]

    def hold(self, operations: Sequence[Operation]) -> dict[UUID | None, Any]:
        """The rows of updates and deletions by key, held until the transaction ends. All are held by one statement
        and in the order of their keys, so that of two bulks one waits for the other and never both.

        Raises BulkRefused for what the caller may not see, and for a stale `ifMatch`.
        """
        wanted = [item.pk for item in operations if item.pk]
        if not wanted:
            return {}
        rows = self.get_queryset().filter(pk__in=wanted)
        keys = rows.order_by("pk").values_list("pk", flat=True).select_for_update(of=("self",))
        # Read when they are held: the statement that has waited may bring along what was true before.
        held = {row.pk: row for row in rows.filter(pk__in=list(keys))}
        missing = [item for item in operations if item.pk and item.pk not in held]
        if missing:
            text = "There is no such object."
            raise BulkRefused("NOT_FOUND", [problem(item.index, "id", "not_found", text) for item in missing])
        for row in held.values():
            self.check_object_permissions(self.request, row)
        self.check_writable(*held.values())
        stale = [
            item
            for item in operations
            if item.if_match is not None and not matches(item.if_match, held[item.pk].etag)
        ]
        if stale:
            text = "The object has changed since this version."
            raise BulkRefused(
                "PRECONDITION_FAILED", [problem(item.index, "ifMatch", "stale", text) for item in stale]
            )
        return held

    def perform_bulk_destroy(self, instances: Sequence[Any]) -> None:
        if override_of(type(self), among=frozenset({"perform_destroy"})) is None:
            self.queryset.all().soft_delete(instances)
            return
        for instance in instances:
            self.perform_destroy(instance)

    def shown(self, operations: Sequence[Operation], rows: Mapping[int, Any]) -> dict[int, dict[str, Any]]:
        """By the number of the operation."""
        data = self.get_serializer([rows[item.index] for item in operations], many=True).data
        return {item.index: shown for item, shown in zip(operations, data, strict=True)}

    def record_bulk(
        self,
        operations: Sequence[Operation],
        rows: Mapping[int, Any],
        before: Mapping[int, dict[str, Any]],
        after: Mapping[int, dict[str, Any]],
    ) -> None:
        """One audit event for each object that was touched, as the single routes write it."""
        noun = self.queryset.model._meta.model_name
        events = []
        for item in operations:
            changes = None
            if item.method == "update":
                changes = audit.difference(before[item.index], after[item.index])
                changes.pop("updatedAt", None)
                if not changes:
                    continue
            events.append((f"{noun}.{item.method}d", rows[item.index], changes))
        audit.record_many(events, actor_id=self.request.user.pk)


def result(operation: Operation, row: Any, shown: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    if operation.method == "delete":
        return {"method": operation.method, "id": row.pk}
    return {"method": operation.method, "etag": row.etag, **shown[operation.index]}


# --- reading the body -----------------------------------------------------------------------------


def read_operations(body: Any, *, new: Any, changed: Any) -> list[Operation]:
    """Raises ApiError with every problem of every operation. `new` and `changed` are serializers of the view's kind,
    the latter a partial one."""
    listed = body.get("operations")
    if "operations" not in body:
        raise refusal([top("required", "This field is required.")])
    if not isinstance(listed, list):
        raise refusal([top("not_a_list", "Must be a list of operations.")])
    if not 1 <= len(listed) <= MOST_OPERATIONS:
        raise refusal([top("length", f"Must hold 1 to {MOST_OPERATIONS} operations.")])
    operations: list[Operation] = []
    problems: list[Problem] = []
    for index, item in enumerate(listed):
        operation, wrong = read_operation(index, item, new, changed)
        operations.append(operation)
        problems += wrong
    problems += repetitions(operations)
    if problems:
        raise refusal(problems)
    return operations


def read_operation(index: int, item: Any, new: Any, changed: Any) -> tuple[Operation, list[Problem]]:
    if not isinstance(item, dict):
        return Operation(index, ""), [problem(index, "", "invalid", "Must be an object.")]
    method = item.get("method")
    if method not in METHODS:
        code = "invalid_choice" if "method" in item else "required"
        return Operation(index, ""), [problem(index, "method", code, f"One of {', '.join(METHODS)}.")]
    problems: list[Problem] = []
    pk = if_match = values = None
    if method != "create":
        pk = uuid_of(item.get("id"))
        if pk is None:
            code = "invalid" if "id" in item else "required"
            problems.append(problem(index, "id", code, "Must be the id of an object, a UUID."))
        if_match = item.get("ifMatch")
        if "ifMatch" in item and not isinstance(if_match, str):
            problems.append(problem(index, "ifMatch", "invalid", "Must be the ETag of the object."))
    if method != "delete":
        values, wrong = validated(new if method == "create" else changed, item.get("data"))
        problems += [
            {**one, "field": ".".join(filter(None, ("operations", str(index), one["field"])))}
            for one in wrong
        ]
    return Operation(index, method, pk, if_match, values), problems


def validated(serializer: Any, data: Any) -> tuple[dict[str, Any] | None, list[Problem]]:
    """(validated values, []) or (None, what is wrong). One serializer serves any number of rows, without a query of
    its own: for bulk operations, imports and whatever else must not stop at the first wrong row.

    With `partial=True` what is not there stays out of the values. Names in the problems are the data's own.
    """
    if not isinstance(data, dict):
        code = "required" if data is None else "invalid"
        return None, [{"field": "data", "code": code, "message": "Must be an object with the fields."}]
    try:
        return dict(serializer.run_validation(data)), []
    except ValidationError as error:
        return None, list(flatten(error.get_full_details()))


def uuid_of(value: Any) -> UUID | None:
    try:
        pk = UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return pk if str(pk) == value else None  # one spelling, as in paths


def repetitions(operations: Sequence[Operation]) -> list[Problem]:
    """Two operations on one object would have no order that a client could rely on."""
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
