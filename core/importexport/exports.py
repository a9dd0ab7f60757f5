"""Exports: all rows of a list as a file, in constant memory and from one snapshot of the database."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from core.api.filters import names_parameter, refuse_unknown, wanted_fields
from core.api.idempotency import idempotent
from core.api.pagination import Pagination
from core.api.viewsets import BaseViewSet
from core.audit import services as audit
from core.files import services as files
from core.importexport.csv_cells import csv_pieces, json_pieces
from core.jobs.caller import view_for
from core.jobs.runner import Run
from core.jobs.services import enqueue_job, functions
from core.jobs.views import JobSerializer, accepted
from core.openapi.fields import filter_parameters
from core.web.error_schemas import Schema, object_of
from core.web.errors import FieldError

Pieces = Callable[[Sequence[str], Iterable[dict[str, Any]]], Iterator[bytes]]
FORMATS: dict[str, tuple[str, Pieces]] = {
    "csv": ("text/csv; charset=utf-8", csv_pieces),
    "json": ("application/json", json_pieces),
}
CHUNK = 500  # rows in memory


class FormatSerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=tuple(FORMATS))


def export_request(schema: Any) -> Schema:
    """Return the schema of the body: the format, and the parameters of the same view's list, but for the pages."""
    view = schema.view
    names = list(view.serializer_class.Meta.fields)
    fields = names_parameter("fields", "The columns; `id` is always one.", names)
    properties: Schema = {"format": {"type": "string", "enum": ["csv", "json"]}}
    for name in sorted(view.action_parameters.get("list", ())):
        properties[name] = {"type": "string", "description": "As in the list."}
    for parameter in [*filter_parameters(schema), fields]:
        properties[parameter["name"]] = in_body(parameter)
    optional = [name for name in properties if name != "format"]
    return object_of(
        properties, *optional, examples=[{"format": "csv", "sort": view.default_sort.split(",")}]
    )


def in_body(parameter: Schema) -> Schema:
    """Return the schema of a parameter in a body: what may be repeated in a query is a list, or a single value."""
    schema = parameter["schema"]
    if schema.get("type") == "array":
        schema = {"anyOf": [schema, schema["items"]]}
    return {**schema, "description": parameter.get("description", "")}


class ExportViewSet(BaseViewSet):
    """A BaseViewSet with `POST …/export`: what `listed` shows to the caller, filtered and sorted as the list is."""

    described_bodies: ClassVar = {"export": (export_request, None)}
    documented_errors: ClassVar = {"export": ("FORBIDDEN",)}  # for what the list refuses to a role

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if getattr(cls, "queryset", None) is not None:
            functions[export_kind(cls)] = partial(export, cls)

    @extend_schema(responses={202: JobSerializer})
    @action(detail=False, methods=["post"], url_path="export")
    @idempotent
    def export(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Export as a file. Takes what the list takes as filters, `sort` and `fields`; the file holds the rows as they
        are when the job runs. Its address is in the `result` of the job."""
        query = self.export_query(request.data)
        body = FormatSerializer(data={name: item for name, item in request.data.items() if item is not None})
        body.is_valid(raise_exception=True)
        parameters = {**body.validated_data, "query": query}
        view_for(type(self), request.user, query).exported()  # refuses what the list would refuse
        return accepted(enqueue_job(user=request.user, kind=export_kind(type(self)), parameters=parameters))

    def export_query(self, body: dict[str, Any]) -> dict[str, list[str]]:
        """Return the list's parameters in the body, as a query would hold them. Raises ApiError for a wrong one."""
        query = QueryDict(mutable=True)
        for name, value in body.items():
            if name != "format" and value is not None:
                query.setlist(name, texts_of(name, value))
        known, repeatable = self._known["list"]
        refuse_unknown(query, known - Pagination.parameters, repeatable)
        return dict(query.lists())

    def exported(self) -> tuple[QuerySet[Any], list[str]]:
        """Return the rows and the names of their columns."""
        serializer_class: Any = self.get_serializer_class()
        names = tuple(serializer_class.Meta.fields)
        wanted = wanted_fields(self.request, frozenset(names))
        columns = [name for name in names if wanted is None or name in wanted]
        return self.filter_queryset(self.listed()), columns


def export_kind(view_class: Any) -> str:
    return f"{view_class.queryset.model._meta.model_name}.export"


def texts_of(name: str, value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str | int | float) for item in values):
        raise FieldError(name, "invalid", "Must be a text, or a list of texts.")
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in values]


# --- the job --------------------------------------------------------------------------------------


def export(view_class: Any, run: Run) -> None:
    user = run.job.user  # as the run has just read it
    view = view_for(view_class, user, run.job.parameters["query"])
    rows, columns = view.exported()
    extension = run.job.parameters["format"]
    content_type, pieces = FORMATS[extension]
    meta = view_class.queryset.model._meta
    filename = f"{meta.verbose_name_plural}-{datetime.now(UTC):%Y-%m-%d}.{extension}".replace(" ", "-")
    shown = Shown(run, view, rows)
    with closing(pieces(columns, shown)) as chunks:  # type: ignore[type-var]
        stored = files.store(chunks, user=user, content_type=content_type, filename=filename)
    result = {
        "format": extension,
        "rows": shown.count,
        "filename": stored.filename,
        "contentType": content_type,
        "size": stored.size,
    }
    try:
        with transaction.atomic():
            run.succeed(result, result_file=stored)
            files.keep(stored)
            changes = {"rows": [None, shown.count], "format": [None, extension]}
            audit.record(f"{meta.model_name}.exported", actor_id=user.pk, target=run.job, changes=changes)
    except BaseException:
        files.delete_now(stored)
        raise


class Shown:
    """The rows as the list shows them, and their count. Only CHUNK of them are in memory."""

    def __init__(self, run: Run, view: Any, rows: QuerySet[Any]) -> None:
        self.run, self.view, self.rows = run, view, rows
        self.count = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        show = self.view.get_serializer().to_representation
        with snapshot():
            total = self.rows.count()
            for row in self.rows.iterator(chunk_size=CHUNK):
                yield show(row)
                self.count += 1
                if self.count % CHUNK == 0:
                    self.run.progress(self.count, total)


@contextmanager
def snapshot() -> Iterator[None]:
    """Let all reads inside see the same state of the database, without blocking writers."""
    if connection.in_atomic_block:  # the caller's transaction
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # The first FETCH may sort everything, and a storage may be slow.
            cursor.execute("SET LOCAL statement_timeout = '120s'")
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '120s'")
            yield
    else:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")  # `atomic` would begin IMMEDIATE, and block every writer
            try:
                yield
            finally:
                cursor.execute("COMMIT")
