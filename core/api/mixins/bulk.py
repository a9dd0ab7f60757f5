"""Bulk operations: up to 100 creations, changes and deletions in one call, all or none of them.

Each is done as its own route does it: by the serializer's `save` in `perform_create` and `perform_update`, one by one.
A serializer with `create_many` and `update_many` does many at once, by a constant number of statements; then the
body is validated before the transaction begins.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from core.api.etags import matches
from core.api.idempotency import idempotent
from core.api.mixins.bulk_operations import Operation, Problem, prefixed, problem, read_operations, values_of
from core.api.mixins.bulk_schema import bulk_request, bulk_results
from core.api.overrides import override_of
from core.api.viewsets import BaseViewSet, lock
from core.audit import services as audit
from core.web.errors import ApiError, flatten


class BulkRefused(ApiError):
    """The operations that are to blame are in `details`, whatever the code."""

    def __init__(self, code: str, details: Iterable[Problem]) -> None:
        super().__init__(code, details=details)


# By method: the serializer's method for many rows, those for one row whose rules it repeats, and the view's hook.
FAST_PATHS = {
    "create": ("create_many", frozenset({"create", "save"}), "perform_create"),
    "update": ("update_many", frozenset({"update", "save"}), "perform_update"),
}


class BulkViewSet(BaseViewSet):
    """A BaseViewSet with `POST …/bulk`. Its serializer may have, next to `create` and `update`,

    - `create_many(items)`: one new instance for each item of validated values, in order;
    - `update_many(changes)`: changes the instance of each (instance, validated values) in place.

    Both with a number of statements that does not grow. The validation of such an update sees no instance: what
    depends on the stored row is the service's to check. They are not called where a subclass has a `create`, `update`
    or `save` of its own, nor where the view has a `perform_create` or `perform_update`.
    """

    documented_errors: ClassVar = {"bulk": ("NOT_FOUND", "PRECONDITION_FAILED", "CONFLICT")}
    detailed_errors: ClassVar = {"bulk": frozenset({"NOT_FOUND", "PRECONDITION_FAILED"})}
    described_bodies: ClassVar[dict[str, Any]] = {"bulk": (bulk_request, bulk_results)}

    @action(detail=False, methods=["post"], url_path="bulk")
    @idempotent(prepare="read_operations")
    def bulk(self, request: Any, *args: Any, prepared: list[Operation], **kwargs: Any) -> Response:
        """Create, change and delete many at once. All of the operations are done, or none."""
        with transaction.atomic():
            results = self.run_operations(prepared)
        return Response(results)

    def read_operations(self, request: Any, *args: Any, **kwargs: Any) -> list[Operation]:
        return read_operations(request.data, self.fast_serializers())

    def fast_serializers(self) -> dict[str, Any]:
        """Return {method: a serializer that validates and stores any number of rows}."""
        serializers = {"create": self.get_serializer(), "update": self.get_serializer(partial=True)}
        return {method: item for method, item in serializers.items() if self.is_fast(method, type(item))}

    def is_fast(self, method: str, serializer_class: type) -> bool:
        of_many, of_one, hook = FAST_PATHS[method]
        if override_of(type(self), among=frozenset({hook})) is not None:
            return False
        owners = (vars(base).keys() for base in serializer_class.__mro__)
        nearest: Any = next((names for names in owners if not names.isdisjoint({of_many, *of_one})), ())
        return of_many in nearest

    def run_operations(self, operations: Sequence[Operation]) -> list[dict[str, Any]]:
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
        bound = self.bound_serializers([*changes, *creations], rows)
        if deletions:
            self.perform_bulk_destroy([rows[item.index] for item in deletions])
        for item in deletions:
            rows[item.index].pk = item.pk  # `Model.delete` takes it away
        self.store(self.perform_update, changes, rows, bound)
        self.store(self.perform_create, creations, rows, bound)
        after = self.shown([*changes, *creations], rows)
        self.record_bulk(operations, rows, before, after)
        return [result(item, rows[item.index], after) for item in operations]

    def bound_serializers(self, operations: Sequence[Operation], rows: Mapping[int, Any]) -> dict[int, Any]:
        """Return the validated serializer of each operation that has one of its own. Raises BulkRefused."""
        bound: dict[int, Any] = {}
        problems: list[Problem] = []
        for item in operations:
            if item.values is not None:
                continue
            serializer = self.get_serializer(
                rows.get(item.index), data=item.data, partial=item.method == "update"
            )
            try:
                self.validate(serializer)
            except ValidationError as error:
                problems += prefixed(item.index, flatten(error.get_full_details()))
            else:
                if item.new_pk is not None:
                    serializer.validated_data["id"] = item.new_pk
                bound[item.index] = serializer
        if problems:
            raise BulkRefused("VALIDATION_ERROR", problems)
        return bound

    def store(
        self, hook: Any, operations: list[Operation], rows: dict[int, Any], bound: Mapping[int, Any]
    ) -> None:
        for item in operations:
            if item.index in bound:
                rows[item.index] = self.perform_saving(hook, bound[item.index])
        fast = [item for item in operations if item.index not in bound]
        if not fast:
            return
        serializer: Any = self.get_serializer()
        if fast[0].method == "update":
            serializer.update_many([(rows[item.index], item.values) for item in fast])
        else:
            self.owner_of_new(())  # raises for a caller who can own nothing
            created = serializer.create_many([values_of(item) for item in fast])
            rows |= {item.index: row for item, row in zip(fast, created, strict=True)}
        written = {name for item in fast for name in item.values or ()}
        self.check_written(written, *(rows[item.index] for item in fast))

    def hold(self, operations: Sequence[Operation]) -> dict[UUID | None, Any]:
        """The rows of updates and deletions by key, locked until the transaction ends. All are locked by one statement
        and in the order of their keys, so that of two bulks one waits for the other and never both.

        Raises BulkRefused for what the caller may not see, and for a stale `ifMatch`.
        """
        requested = [item.pk for item in operations if item.pk]
        if not requested:
            return {}
        rows = self.object_rows().filter(pk__in=requested)
        lock(self.model, list(rows.order_by().values_list("pk", flat=True)))
        # Read when they are locked: a statement that has waited may return what was true before.
        held = {row.pk: row for row in rows}
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
            self.model.objects.all().soft_delete(instances)
            return
        for instance in instances:
            self.perform_destroy(instance)

    def shown(self, operations: Sequence[Operation], rows: Mapping[int, Any]) -> dict[int, dict[str, Any]]:
        """By the number of the operation."""
        if not operations:
            return {}
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
        noun = self.model._meta.model_name
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
        return {"method": operation.method, "id": operation.pk}
    return {"method": operation.method, "etag": row.etag, **shown[operation.index]}
