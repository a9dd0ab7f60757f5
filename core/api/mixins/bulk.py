"""Bulk operations: up to 100 creations, changes and deletions in one call, all or none of them.

Each is done as its own route does it: with the permissions, the serializer and the hooks of `create`, `partial_update`
or `destroy`, one by one. A serializer with `create_many` and `update_many` writes many at once, by a constant number of
statements; then the body is validated before the transaction begins.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.http import Http404
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from core.api.caller import acting
from core.api.etags import matches
from core.api.idempotency import idempotent
from core.api.mixins.bulk_operations import Operation, Problem, prefixed, problem, read_operations, values_of
from core.api.mixins.bulk_schema import bulk_request, bulk_results
from core.api.overrides import override_of
from core.api.serializers import prefers_strict
from core.api.viewsets import BaseViewSet, lock
from core.audit import services as audit
from core.web.error_details import NO_OBJECT, flatten
from core.web.errors import ApiError


class BulkRefused(ApiError):
    """The operations that are to blame are in `details`, whatever the code."""

    def __init__(self, code: str, details: Iterable[Problem]) -> None:
        super().__init__(code, details=details)


# By method: the action that does it to a single object, and its HTTP method.
ROUTES = {
    "create": ("create", "POST"),
    "update": ("partial_update", "PATCH"),
    "delete": ("destroy", "DELETE"),
}
# Where code of a subclass decides which rows there are.
ROW_HOOKS = frozenset({"get_queryset", "get_object", "object_rows", "rows_in_state", "filter_queryset"})
# By method: the serializer's method for many rows, those for one row whose rules it repeats, and the view's hook.
FAST_PATHS = {
    "create": ("create_many", frozenset({"create", "save"}), "perform_create"),
    "update": ("update_many", frozenset({"update", "save"}), "perform_update"),
}


class BulkViewSet(BaseViewSet):
    """A BaseViewSet with `POST …/bulk`.

    Its serializer may have, next to `create` and `update`:

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
        """Do creations, changes and deletions at once: all of them, or none."""
        with transaction.atomic():
            results = self.run_operations(prepared)
        return Response(results)

    def read_operations(self, request: Any, *args: Any, **kwargs: Any) -> list[Operation]:
        methods = [method for method in ROUTES if self.has_method(method)]
        strict = prefers_strict(request)
        return read_operations(
            request.data, methods, lambda method: self.view_for(method).fast, strict=strict
        )

    def has_method(self, method: str) -> bool:
        """Return whether the viewset has a route for single objects that does such an operation."""
        action_name, verb = ROUTES[method]
        names = {action_name, "update"} if method == "update" else {action_name}
        return verb.lower() in self.http_method_names and (
            self.exposed is None or not names.isdisjoint(self.exposed)
        )

    @cached_property
    def views(self) -> dict[str, Any]:
        return {}

    def view_for(self, method: str) -> Any:
        """Return this view as it serves the route of such an operation: its permissions, serializer and hooks count.
        Its `fast` is a serializer that validates and stores any number of rows, or None. Raises what its permissions
        raise."""
        if method not in self.views:
            view = acting(self, *ROUTES[method])
            view.fast = None
            if method in FAST_PATHS:
                serializer = view.get_serializer(partial=method == "update")
                view.fast = serializer if self.is_fast(method, type(serializer)) else None
            self.views[method] = view
        return self.views[method]

    def is_fast(self, method: str, serializer_class: type) -> bool:
        of_many, of_one, hook = FAST_PATHS[method]
        if override_of(type(self), among=frozenset({hook})) is not None:
            return False
        owners = (vars(base).keys() for base in serializer_class.__mro__)
        nearest: Any = next((names for names in owners if not names.isdisjoint({of_many, *of_one})), ())
        return of_many in nearest

    def run_operations(self, operations: Sequence[Operation]) -> list[dict[str, Any]]:
        """Return the results, in order. In a transaction; raises BulkRefused before anything is written.

        Deletions happen first and creations last, so that a unique value that one gives up is free for another.
        """
        locked = self.lock_rows(operations)
        rows = {item.index: locked[item.pk] for item in operations if item.pk}
        deletions, changes, creations = (
            [item for item in operations if item.method == method]
            for method in ("delete", "update", "create")
        )
        before = self.shown("update", changes, rows)
        bound = self.bound_serializers([*changes, *creations], rows)
        if deletions:
            self.view_for("delete").perform_bulk_destroy([rows[item.index] for item in deletions])
        for item in deletions:
            rows[item.index].pk = item.pk  # `Model.delete` takes it away
        self.store("update", changes, rows, bound)
        self.store("create", creations, rows, bound)
        after = self.shown("update", changes, rows) | self.shown("create", creations, rows)
        self.record_bulk(operations, rows, before, after)
        return [result(item, rows[item.index], after) for item in operations]

    def bound_serializers(self, operations: Sequence[Operation], rows: Mapping[int, Any]) -> dict[int, Any]:
        """Return the validated serializer of each operation that has one of its own. Raises BulkRefused."""
        bound: dict[int, Any] = {}
        problems: list[Problem] = []
        for item in operations:
            if item.values is not None:
                continue
            view = self.view_for(item.method)
            serializer = view.get_serializer(
                rows.get(item.index), data=item.data, partial=item.method == "update"
            )
            try:
                view.validate(serializer)
            except ValidationError as error:
                problems += prefixed(item.index, flatten(error.detail, field=serializer))
            else:
                if item.new_pk is not None:
                    serializer.validated_data["id"] = item.new_pk
                bound[item.index] = serializer
        if problems:
            raise BulkRefused("VALIDATION_ERROR", problems)
        return bound

    def store(
        self, method: str, operations: list[Operation], rows: dict[int, Any], bound: Mapping[int, Any]
    ) -> None:
        for item in operations:
            if item.index in bound:
                view = self.view_for(method)
                hook = getattr(view, FAST_PATHS[method][2])
                rows[item.index] = view.perform_saving(hook, bound[item.index])
        fast = [item for item in operations if item.index not in bound]
        if not fast:
            return
        serializer: Any = self.view_for(method).fast
        if method == "update":
            serializer.update_many([(rows[item.index], item.values) for item in fast])
        else:
            self.owner_of_new(())  # raises for a caller who can own nothing
            created = serializer.create_many([values_of(item) for item in fast])
            rows |= {item.index: row for item, row in zip(fast, created, strict=True)}
        written = {name for item in fast for name in item.values or ()}
        self.check_written(written, *(rows[item.index] for item in fast))

    def lock_rows(self, operations: Sequence[Operation]) -> dict[UUID | None, Any]:
        """Return the rows of updates and deletions by key, locked until the transaction ends. All are locked by one
        statement and in the order of their keys, so that of two bulks one waits for the other and never both.

        Raises BulkRefused for what the caller may not see, and for a stale `ifMatch`.
        """
        named = [item for item in operations if item.pk]
        if not named:
            return {}
        rows = self.rows_by_view(named)
        lock(
            self.model,
            [key for each in rows.values() for key in each.order_by().values_list("pk", flat=True)],
        )
        # Read when they are locked: a statement that has waited may return what was true before.
        locked = {
            row.pk: row
            for view, each in rows.items()
            for row in map(partial(picked, view), each)
            if row is not None
        }
        missing = [item for item in named if item.pk not in locked]
        if missing:
            details = [problem(item.index, "id", "not_found", NO_OBJECT) for item in missing]
            raise BulkRefused("NOT_FOUND", details)
        for item in named:
            view = self.view_for(item.method)
            view.check_object_permissions(view.request, locked[item.pk])
        self.check_writable(*locked.values())
        stale = [
            item
            for item in named
            if item.if_match is not None and not matches(item.if_match, locked[item.pk].etag)
        ]
        if stale:
            text = "The object has changed since this version."
            raise BulkRefused(
                "PRECONDITION_FAILED", [problem(item.index, "ifMatch", "stale", text) for item in stale]
            )
        return locked

    def rows_by_view(self, operations: Sequence[Operation]) -> dict[Any, Any]:
        """Return {view: its rows} for these operations. One view stands for all where no code of a subclass decides
        by the action which rows there are."""
        is_own = override_of(type(self), among=ROW_HOOKS) is not None
        keys: dict[Any, list[Any]] = {}
        for item in operations:
            method = item.method if is_own else operations[0].method
            keys.setdefault(self.view_for(method), []).append(item.pk)
        return {view: view.object_rows().filter(pk__in=each) for view, each in keys.items()}

    def perform_bulk_destroy(self, instances: Sequence[Any]) -> None:
        if override_of(type(self), among=frozenset({"perform_destroy"})) is None:
            self.model.objects.all().soft_delete(instances)
            return
        for instance in instances:
            self.perform_destroy(instance)

    def shown(
        self, method: str, operations: Sequence[Operation], rows: Mapping[int, Any]
    ) -> dict[int, dict[str, Any]]:
        """Return {number of the operation: the object as its route shows it}."""
        if not operations:
            return {}
        data = self.view_for(method).get_serializer([rows[item.index] for item in operations], many=True).data
        return {item.index: shown for item, shown in zip(operations, data, strict=True)}

    def record_bulk(
        self,
        operations: Sequence[Operation],
        rows: Mapping[int, Any],
        before: Mapping[int, dict[str, Any]],
        after: Mapping[int, dict[str, Any]],
    ) -> None:
        """Record one audit event for each object that was written, as the single routes do."""
        events: list[tuple[str, Any, audit.Changes | None]] = []
        is_own = override_of(type(self), among=frozenset({"record"})) is not None
        for item in operations:
            changes = None
            if item.method == "update":
                changes = audit.difference(before[item.index], after[item.index])
                if not changes:
                    continue
            if is_own:
                self.view_for(item.method).record(f"{item.method}d", rows[item.index], changes)
            else:
                events.append((f"{self.model._meta.model_name}.{item.method}d", rows[item.index], changes))
        audit.record_many(events, actor_id=self.request.user.pk)


def picked(view: Any, row: Any) -> Any:
    """Return the row as a `get_object` of a subclass returns it; None where it finds none."""
    if override_of(type(view), among=frozenset({"get_object"})) is None:
        return row
    name = view.lookup_url_kwarg or view.lookup_field
    view.kwargs = {**view.kwargs, name: getattr(row, view.lookup_field)}
    try:
        return view.get_object()
    except Http404:
        return None


def result(operation: Operation, row: Any, shown: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    if operation.method == "delete":
        return {"method": operation.method, "id": operation.pk}
    return {"method": operation.method, "version": row.etag.strip('"'), **shown[operation.index]}
