"""Exports: all rows of a list as a file, in constant memory and of one snapshot of the database."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any, ClassVar

import structlog
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.db.models import QuerySet
from django.http import Http404, QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from core.api.caller import acting, request_of
from core.api.filters import names_parameter, refuse_unknown, requested_fields
from core.api.idempotency import idempotent
from core.api.pagination import parameters_of
from core.api.row_access import model_of
from core.api.serializers import Serializer, names_of
from core.api.viewsets import BaseViewSet
from core.audit import services as audit
from core.db.replica import attempt, reading_from
from core.db.replica_health import replica_health
from core.files import services as files
from core.files.models import StoredFile
from core.jobs.models import Job
from core.jobs.runner import Run
from core.jobs.services import enqueue_job, kind_of, permits, runs, view_of_job
from core.jobs.views import JobSerializer, accepted
from core.openapi.fields import filter_parameters
from core.web.csv_cells import csv_pieces, json_pieces
from core.web.error_schemas import Schema, object_of
from core.web.errors import ApiError, FieldError

Pieces = Callable[[Sequence[str], Iterable[dict[str, Any]]], Iterator[bytes]]
FORMATS: dict[str, tuple[str, Pieces]] = {
    "csv": ("text/csv; charset=utf-8", csv_pieces),
    "json": ("application/json", json_pieces),
}
CHUNK = 500  # rows in memory
STATEMENT_SECONDS = 120

log = structlog.get_logger(__name__)


class FormatSerializer(Serializer):
    format = serializers.ChoiceField(choices=tuple(FORMATS))


def export_request(schema: Any) -> Schema:
    """Return the schema of the body: the format, and the parameters of the same view's list, but for the pages."""
    view = schema.view
    names = list(names_of(view.get_serializer_class()))
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
    """Return the schema of a parameter in a body: a repeatable one is a list, or a single value."""
    schema = parameter["schema"]
    if schema.get("type") == "array":
        schema = {"anyOf": [schema, schema["items"]]}
    return {**schema, "description": parameter.get("description", "")}


class ExportViewSet(BaseViewSet):
    """A BaseViewSet with `POST …/export`: the rows of the list for the caller, with its filters and sort.

    The job serves the caller by the route that was called: with its arguments, attributes and permissions.
    """

    described_bodies: ClassVar = {"export": (export_request, None)}
    key_reads: ClassVar = frozenset({"export"})
    documented_errors: ClassVar = {"export": ("FORBIDDEN",)}  # for a role that the list refuses

    @extend_schema(responses={202: JobSerializer})
    @action(detail=False, methods=["post"], url_path="export")
    @idempotent
    def export(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Export as a file. Takes the filters, `sort` and `fields` of the list; the file has the rows at the time of
        the run. Its URL is in the `result` of the job."""
        query = self.export_query(request.data)
        body = FormatSerializer(data={name: item for name, item in request.data.items() if item is not None})
        body.is_valid(raise_exception=True)
        parameters = {**body.validated_data, "query": query, "path": request.path_info}
        as_list(self, query).exported()  # raises what the list would raise
        if not request.user.is_authenticated:
            self.refuse()  # a job has an owner
        kind = kind_of(type(self), "export")
        return accepted(enqueue_job(user=request.user, kind=kind, parameters=parameters))

    def export_query(self, body: dict[str, Any]) -> dict[str, list[str]]:
        """Return the list's parameters in the body, in the form of a query. Raises ApiError for an invalid one."""
        query = QueryDict(mutable=True)
        for name, value in body.items():
            if name != "format" and value is not None:
                query.setlist(name, texts_of(name, value))
        known, repeatable = self.find_known_parameters("list")
        pages: Any = self.pagination_class
        refuse_unknown(query, known - parameters_of(pages) - {"include"}, repeatable)
        for name, values in query.lists():
            if not values or (isinstance(body[name], list) and name not in repeatable):
                # An empty list would be no filter at all.
                raise FieldError(name, "invalid", "Must be a value, or a list of values for several.")
        return dict(query.lists())

    def exported(self) -> tuple[QuerySet[Any], list[str]]:
        """Return the rows and the names of their columns."""
        serializer_class: Any = self.get_serializer_class()
        names = names_of(serializer_class)
        requested = requested_fields(self.request, frozenset(names))
        columns = [name for name in names if requested is None or name in requested]
        return self.filter_queryset(self.rows_in_state()), columns


def texts_of(name: str, value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str | int | float) for item in values):
        raise FieldError(name, "invalid", "Must be a text, or a list of texts.")
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in values]


# --- the job --------------------------------------------------------------------------------------


def as_list(view: Any, query: dict[str, list[str]]) -> Any:
    """Return the view of an export in the state of a request for the list, from path, parameters and user of the job.
    Raises what its permissions raise."""
    request = request_of(view.request.user, "GET", view.request.path_info, query)
    request.resolver_match = view.request.resolver_match
    return acting(view, "list", "GET", request)


def list_of(job: Job, user: Any) -> Any:
    """Return the same for a job. The caller has just read the user, whose role may have changed since the request.
    Raises Http404 if the route has gone."""
    return as_list(view_of_job(job, user), job.parameters["query"])


@runs("*.export")
def export(run: Run) -> None:
    user = run.job.user  # as the run has just read it
    view = list_of(run.job, user)
    extension = run.job.parameters["format"]
    content_type, _pieces = FORMATS[extension]
    meta = model_of(type(view))._meta
    filename = f"{meta.verbose_name_plural}-{datetime.now(UTC):%Y-%m-%d}.{extension}".replace(" ", "-")

    def write(alias: str) -> tuple[int, StoredFile]:
        return write_file(run, view, alias, content_type=content_type, filename=filename)

    count, stored = attempt(write, replica_health.is_caught_up)
    result = {
        "format": extension,
        "rows": count,
        "filename": stored.filename,
        "contentType": content_type,
        "size": stored.size,
    }
    try:
        with transaction.atomic():
            run.succeed(result, result_file=stored)
            files.confirm(stored)
            changes = {"rows": [None, count], "format": [None, extension]}
            audit.record(f"{meta.model_name}.exported", actor_id=user.pk, target=run.job, changes=changes)
    except BaseException:
        files.delete_now(stored)
        raise


def write_file(run: Run, view: Any, alias: str, **names: Any) -> tuple[int, StoredFile]:
    """Write the rows of this database as a file, and return their number and the file."""
    with reading_from(alias):
        rows, columns = view.exported()
    serialized = SerializedRows(run, view, rows, alias)
    _type, pieces = FORMATS[run.job.parameters["format"]]
    with closing(pieces(columns, serialized)) as chunks:  # type: ignore[type-var]
        stored = files.store(chunks, user=run.job.user, **names)
    return serialized.count, stored


def may_export(job: Job, user: Any) -> bool:
    """Return whether the view would serve the export to this user now. A view that fails would not."""
    try:
        list_of(job, user).exported()
    except (APIException, PermissionDenied, ApiError, Http404):
        return False
    except Exception as error:
        log.warning("export_not_served", jobId=str(job.pk), kind=job.kind, exc_info=error)
        return False
    return True


permits.register("*.export", may_export)


class SerializedRows:
    """The rows as the list serializes them, and their count. Only CHUNK of them are in memory."""

    def __init__(self, run: Run, view: Any, rows: QuerySet[Any], alias: str) -> None:
        self.run, self.view, self.rows, self.alias = run, view, rows, alias
        self.count = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with snapshot(self.alias):
            with reading_from(self.alias):
                total = self.rows.count()
                rows = filter(rows_permitted(self.view), self.rows.iterator(chunk_size=CHUNK))
            while chunk := self.next_rows(rows):
                yield from chunk
                self.count += len(chunk)
                self.run.progress(self.count, total)

    def next_rows(self, rows: Iterator[Any]) -> Any:
        with reading_from(self.alias):
            return self.view.get_serializer(list(islice(rows, CHUNK)), many=True).data


def rows_permitted(view: Any) -> Callable[[Any], bool]:
    """Return a function that checks the object permissions of a row. REST framework does not check them for lists, but
    a file has more rows than a page."""

    def allows(row: Any) -> bool:
        try:
            view.check_object_permissions(view.request, row)
        except (APIException, PermissionDenied, Http404):
            return False
        return True

    return allows


@contextmanager
def snapshot(alias: str) -> Iterator[None]:
    """Let all reads inside see the same state of the database, without blocking writers."""
    connection: Any = connections[alias]
    if connection.in_atomic_block:  # the caller's transaction
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(using=alias), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # The first FETCH may sort everything, and a storage may be slow.
            cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
            cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{STATEMENT_SECONDS}s'")
            with connection.limited(STATEMENT_SECONDS + 1):
                yield
    else:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")  # `atomic` would begin IMMEDIATE, and block every writer
            try:
                yield
            finally:
                cursor.execute("COMMIT")
