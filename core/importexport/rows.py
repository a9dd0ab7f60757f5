"""Rows of an import, as operations of a BulkViewSet."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from rest_framework import serializers
from rest_framework.exceptions import APIException

from core.api.mixins.bulk_operations import Operation, validated
from core.api.parsers import refuse_unstorable
from core.importexport.csv_tables import Row
from core.web.csv_cells import texts_of
from core.web.errors import ApiError, FieldError
from core.web.text import shortened

ID = "id"

Problem = dict[str, Any]  # {"row", "field", "code", "message"}


def problems_of(row: int, error: ApiError) -> list[Problem]:
    """Return the problems of a row for the result of the job."""
    details = error.details or [{"field": None, "code": error.code.lower(), "message": error.message}]
    # Bulk operations prefix a field by the index of its operation, which is the row.
    names = [(item["field"] or "").removeprefix(f"operations.{row}").removeprefix(".") for item in details]
    return [
        {"row": row, "field": name or None, "code": item["code"], "message": item["message"]}
        for name, item in zip(names, details, strict=True)
    ]


class Importer:
    """A reader and writer of rows, with the permissions and the serializers of a view."""

    def __init__(self, view: Any) -> None:
        self.view = view
        self.writers = {method: self.writer(method) for method in ("create", "update")}
        self.fields = {
            method: {
                name: item for name, item in writer.get_serializer().fields.items() if not item.read_only
            }
            for method, writer in self.writers.items()
            if writer is not None
        }
        self.known = frozenset({name for fields in self.fields.values() for name in fields} | {ID})
        self.repeated: dict[int, int] = {}

    def writer(self, method: str) -> Any:
        """Return the view that writes such rows, or None if there is no such route or its permissions refuse."""
        try:
            return self.view.view_for(method) if self.view.has_method(method) else None
        except (APIException, PermissionDenied):
            return None

    def ignored(self, columns: Iterable[str]) -> list[str]:
        return [shortened(name) for name in columns if name not in self.known]

    # --- reading ----------------------------------------------------------------------------------

    def plan(self, batch: list[tuple[int, Row]]) -> tuple[list[Operation], list[Problem]]:
        """Return the operations of the valid rows, and the problems of the others. No row is locked yet."""
        problems: list[Problem] = []
        keyed: list[tuple[int, UUID | None, Any]] = []
        for number, row in batch:
            try:
                key = key_in(row)
                if number in self.repeated:
                    raise FieldError(ID, "repeated", f"Row {self.repeated[number]} has this id already.")
                keyed.append((number, key, row))
            except FieldError as error:
                problems += problems_of(number, error)
        readable, taken = self.existing([key for _number, key, _row in keyed if key is not None])
        readable_only = self.readable_only(readable)
        operations = []
        for number, key, row in keyed:
            try:
                if key in readable_only:
                    raise FieldError(ID, "forbidden", "You may read this object, but not write it.")
                operations.append(self.operation(number, key, row, readable, taken))
            except ApiError as error:
                problems += problems_of(number, error)
        return operations, sorted(problems, key=lambda problem: problem["row"])

    def values_of(self, row: Any, method: str) -> dict[str, Any]:
        """Return the values of writable fields. Raises FieldError, also for text that no database stores."""
        values = {}
        for name, item in self.fields[method].items():
            if name in row and not (row[name] == "" and not isinstance(item, TEXTS)):
                refuse_unstorable({name: row[name]})
                values[name] = value_of(name, item, row[name])
        return values

    def existing(self, keys: list[UUID]) -> tuple[set[UUID], set[UUID]]:
        """Return the keys that the caller may read, and those that exist: also in the trash, or of another user."""
        rows = (self.writers["update"] or self.view).object_rows().filter(pk__in=keys).order_by()
        all_rows = self.view.model._base_manager.filter(pk__in=keys)
        return set(rows.values_list("pk", flat=True)), set(all_rows.values_list("pk", flat=True))

    def readable_only(self, keys: set[UUID]) -> set[UUID]:
        rows = self.view.model.objects.filter(pk__in=keys).writable_by(self.view.request.user)
        return keys - set(rows.order_by().values_list("pk", flat=True))

    def operation(
        self, number: int, key: UUID | None, row: Any, readable: set[UUID], taken: set[UUID]
    ) -> Operation:
        """Return the operation of a row. Raises ApiError for one that is not valid."""
        if key in taken and key not in readable:
            message = "An object with this id cannot be written: it is in the trash, or not yours."
            raise FieldError(ID, "conflict", message)
        method = "update" if key in readable else "create"
        writer = self.writers[method]
        if writer is None:
            raise FieldError(None, "forbidden", f"You may not {method} such objects.")
        values = self.values_of(row, method)
        data, wrong = validated(writer.fast, values)
        if wrong:
            raise ApiError("VALIDATION_ERROR", details=wrong)
        if method == "update":
            return Operation(number, method, key, data=values, values=data)
        return Operation(number, method, data=values, values=data, new_pk=key)

    # --- writing ----------------------------------------------------------------------------------

    def write(self, operations: list[Operation]) -> tuple[int, int, int]:
        """Write as the bulk route does, with audit events, in the caller's transaction. Return how many rows were
        created, updated and unchanged."""
        if not operations:
            return 0, 0, 0
        changing = [item.pk for item in operations if item.method == "update"]
        before = self.versions(changing)
        self.view.run_operations(operations)
        after = self.versions(changing)
        updated = sum(after[key] != version for key, version in before.items())
        return len(operations) - len(changing), updated, len(changing) - updated

    def versions(self, keys: list[Any]) -> dict[Any, int]:
        """Lock the rows, in the order in which every service locks them, and return their versions."""
        rows = self.view.model._base_manager.filter(pk__in=keys).order_by("pk")
        return dict(rows.select_for_update().values_list("pk", "version"))


def key_in(row: Row) -> UUID | None:
    """Return the id of a row; None for a row without one. Raises FieldError."""
    if isinstance(row, FieldError):
        raise row
    text = row.get(ID)
    if text is None or text == "":
        return None
    try:
        if isinstance(text, str) and len(text.strip()) == 36:
            return UUID(text.strip())
    except ValueError:
        pass
    raise FieldError(ID, "invalid", "Must be a UUID, or empty for a new object.")


def repeated_ids(rows: Iterator[tuple[int, Row]]) -> tuple[int, dict[int, int]]:
    """Return the number of rows, and {row: the earlier one with the same id}."""
    count = 0
    first: dict[bytes, int] = {}
    repeated = {}
    for number, row in rows:
        count += 1
        try:
            key = key_in(row)
        except FieldError:
            continue
        if key is not None and first.setdefault(key.bytes, number) != number:
            repeated[number] = first[key.bytes]
    return count, repeated


# --- cells ----------------------------------------------------------------------------------------

TEXTS = (serializers.CharField, serializers.ListField)  # for which an empty cell is a value
NUMBER = re.compile(r"-?(0|[1-9]\d{0,30})(\.\d{1,30})?", re.ASCII)
DEEP = (serializers.JSONField, serializers.DictField, serializers.BaseSerializer)


def value_of(name: str, item: serializers.Field[Any, Any, Any, Any], cell: Any) -> Any:
    """Return the value of a cell for this field. A value of JSON that is not a text is not changed."""
    if not isinstance(cell, str):
        return cell
    try:
        if isinstance(item, serializers.ListField):
            is_line = not cell or isinstance(item.child, serializers.CharField)  # as `cell_of` writes it
            return texts_of(cell) if is_line else json.loads(cell)
        if isinstance(item, serializers.ChoiceField):
            return choice_of(item, cell)
        if isinstance(item, serializers.BooleanField | serializers.IntegerField | serializers.FloatField):
            return number_of(item, cell.strip())
        return json.loads(cell) if isinstance(item, DEEP) else cell
    except ValueError as error:
        raise FieldError(name, "invalid", "This cell cannot be read.") from error


def number_of(item: serializers.Field[Any, Any, Any, Any], cell: str) -> Any:
    """Return the number or boolean of a cell; the cell where there is none."""
    if isinstance(item, serializers.BooleanField):
        text = cell.lower()
        return True if text in item.TRUE_VALUES else False if text in item.FALSE_VALUES else cell
    is_number = NUMBER.fullmatch(cell) is not None
    return json.loads(cell) if is_number else cell


def choice_of(item: serializers.ChoiceField, cell: str) -> Any:
    """Return the choice with this name, in any case; the cell where there is none."""
    text = cell.strip().lower()
    return next((choice for choice in item.choices if str(choice).lower() == text), cell)
