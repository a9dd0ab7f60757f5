"""The rows of an import, for a BulkViewSet: what each means, whether it is valid, and how they are written."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rest_framework import serializers

from core.api.mixins.bulk_operations import Operation, validated
from core.api.parsers import refuse_unstorable
from core.importexport.csv_cells import texts_of
from core.importexport.table_rows import BadRow, Row
from core.web.errors import ApiError
from core.web.text import shortened

BATCH_CHARACTERS = 1_000_000
ID = "id"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one row."""

    row: int
    field: str | None
    code: str
    message: str


class Importer:
    """Reads and writes in the name of a view's user."""

    def __init__(self, view: Any) -> None:
        self.view = view
        self.serializers = view.fast_serializers()
        fields = view.get_serializer().fields
        self.fields = {name: item for name, item in fields.items() if not item.read_only}
        self.known = frozenset({*self.fields, ID})
        self.repeated: dict[int, int] = {}

    def ignored(self, columns: Iterable[str]) -> list[str]:
        return [shortened(name) for name in columns if name not in self.known]

    # --- what a row means -----------------------------------------------------------------------

    def plan(self, batch: list[tuple[int, Row]]) -> tuple[list[Operation], list[Problem]]:
        """What is to be done, and what is wrong with the other rows. Nothing is held yet."""
        problems: list[Problem] = []
        readable: list[tuple[int, UUID | None, dict[str, Any]]] = []
        for number, row in batch:
            try:
                if isinstance(row, BadRow):
                    raise Wrong(row)
                readable.append((number, self.key_of(number, row), self.values_of(row)))
            except Wrong as wrong:
                problems.append(Problem(number, wrong.row.field, wrong.row.code, wrong.row.message))
        keys = [key for _number, key, _values in readable if key is not None]
        mine, taken = self.existing(keys)
        readable_only = self.readable_only(mine)
        operations = []
        for number, key, values in readable:
            if key in readable_only:
                problems.append(
                    Problem(number, ID, "forbidden", "You may read this object, but not write it.")
                )
                continue
            operation, found = self.operation(number, key, values, mine, taken)
            problems += found
            if operation is not None:
                operations.append(operation)
        return operations, sorted(problems, key=lambda problem: problem.row)

    def key_of(self, number: int, row: Mapping[str, Any]) -> UUID | None:
        key = key_in(row)
        if number in self.repeated:
            raise Wrong(BadRow(ID, "repeated", f"Row {self.repeated[number]} has this id already."))
        return key

    def values_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: value_of(name, item, storable(name, row[name]))
            for name, item in self.fields.items()
            if name in row and not (row[name] == "" and not isinstance(item, TEXTS))
        }

    def existing(self, keys: list[UUID]) -> tuple[set[UUID], set[UUID]]:
        """Which of these the caller may change, and which there are at all: in the trash, or somebody else's."""
        if not keys:
            return set(), set()
        rows = self.view.object_rows().filter(pk__in=keys).order_by()
        everybodys = self.view.model._base_manager.filter(pk__in=keys)
        return set(rows.values_list("pk", flat=True)), set(everybodys.values_list("pk", flat=True))

    def readable_only(self, keys: set[UUID]) -> set[UUID]:
        if not keys:
            return set()
        rows = self.view.model.objects.filter(pk__in=keys).writable_by(self.view.request.user)
        return keys - set(rows.order_by().values_list("pk", flat=True))

    def operation(
        self, number: int, key: UUID | None, values: dict[str, Any], mine: set[UUID], taken: set[UUID]
    ) -> tuple[Operation | None, list[Problem]]:
        if key in taken and key not in mine:
            message = "An object with this id cannot be written: it is in the trash, or not yours."
            return None, [Problem(number, ID, "conflict", message)]
        method = "update" if key in mine else "create"
        data, wrong = validated(self.serializers.get(method), values)
        if wrong:
            return None, [Problem(number, item["field"], item["code"], item["message"]) for item in wrong]
        if method == "update":
            return Operation(number, method, key, data=values, values=data), []
        return Operation(number, method, data=values, values=data, new_pk=key), []

    # --- writing ----------------------------------------------------------------------------------

    def write(self, operations: list[Operation]) -> tuple[int, int, int]:
        """(created, updated, unchanged). As the bulk route does it, audit events included; in a transaction."""
        if not operations:
            return 0, 0, 0
        changing = [item.pk for item in operations if item.method == "update"]
        before = self.versions(changing)
        self.view.carry_out(operations)
        after = self.versions(changing)
        moved = sum(after[key] != version for key, version in before.items())
        return len(operations) - len(changing), moved, len(changing) - moved

    def versions(self, keys: list[Any]) -> dict[Any, int]:
        """Of rows that are held from now on, in the order in which everybody takes them."""
        if not keys:
            return {}
        rows = self.view.model._base_manager.filter(pk__in=keys).order_by("pk")
        return dict(rows.select_for_update().values_list("pk", "version"))


class Wrong(Exception):
    def __init__(self, row: BadRow) -> None:
        self.row = row


def key_in(row: Mapping[str, Any]) -> UUID | None:
    """The id of a row; None for a row without one."""
    text = row.get(ID)
    if text is None or text == "":
        return None
    try:
        if isinstance(text, str) and len(text.strip()) == 36:
            return UUID(text.strip())
    except ValueError:
        pass
    raise Wrong(BadRow(ID, "invalid", "Must be a UUID, or empty for a new object."))


def repeated_ids(rows: Iterator[tuple[int, Row]]) -> tuple[int, dict[int, int]]:
    """How many rows there are, and {row: the earlier one with the same id}."""
    count = 0
    first: dict[bytes, int] = {}
    repeated = {}
    for number, row in rows:
        count += 1
        try:
            key = None if isinstance(row, BadRow) else key_in(row)
        except Wrong:
            continue
        if key is not None and first.setdefault(key.bytes, number) != number:
            repeated[number] = first[key.bytes]
    return count, repeated


def weight(row: Row) -> int:
    if isinstance(row, BadRow):
        return 0
    return sum(len(value) for value in row.values() if isinstance(value, str))


# --- cells ----------------------------------------------------------------------------------------

TEXTS = (serializers.CharField, serializers.ListField)  # for which an empty cell says something
DEEP = (serializers.JSONField, serializers.DictField, serializers.BaseSerializer)


def storable(name: str, cell: Any) -> Any:
    """Return the cell. Raises Wrong where the database could not store it, as in the body of a request."""
    try:
        refuse_unstorable({name: cell})
    except ApiError as error:
        problem = error.details[0]
        raise Wrong(BadRow(problem["field"], problem["code"], problem["message"])) from error
    return cell


def value_of(name: str, item: serializers.Field[Any, Any, Any, Any], cell: Any) -> Any:
    """What a cell of text says to this field. A value that is no text comes from JSON, and is what it is."""
    if not isinstance(cell, str):
        return cell
    try:
        if isinstance(item, serializers.ListField):
            return texts_of(cell) if isinstance(item.child, serializers.CharField) else json.loads(cell)
        if isinstance(item, serializers.ChoiceField):
            return choice_of(item, cell)
        return json.loads(cell) if isinstance(item, DEEP) else cell
    except ValueError as error:
        raise Wrong(BadRow(name, "invalid", "This cell cannot be read.")) from error


def choice_of(item: serializers.ChoiceField, cell: str) -> Any:
    """Return the choice whose name it is, in any case; the cell where there is none."""
    text = cell.strip().lower()
    return next((choice for choice in item.choices if str(choice).lower() == text), cell)
