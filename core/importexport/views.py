"""`POST …/import` of a viewset."""

from dataclasses import dataclass
from typing import Any, ClassVar, cast
from uuid import UUID

from django.conf import settings
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from core.api.idempotency import idempotent
from core.api.mixins.bulk import BulkViewSet
from core.api.parsers import StrictJSONParser
from core.api.serializers import Serializer, prefers_strict, refuse_unknown_names
from core.files import services as files
from core.files.models import StoredFile
from core.files.uploads import FIELD, UploadParser, uploaded_file
from core.importexport.imports import import_table
from core.importexport.rows import Importer
from core.importexport.tabular import open_table
from core.jobs.models import Job
from core.jobs.services import enqueue_job, kind_of, runs
from core.jobs.views import JobSerializer, accepted
from core.web.errors import ApiError, FieldError

CONTENT_TYPES = {"csv": "text/csv", "json": "application/json"}


class ImportParser(UploadParser):
    known_fields: ClassVar = frozenset({"dryRun", "dryRunId"})


class ImportFileSerializer(Serializer):
    file = serializers.FileField(
        help_text="CSV as spreadsheets write it, or a JSON array of objects; up to "
        f"{settings.MAX_UPLOAD_MB} MiB and 100,000 rows.",
    )
    dryRun = serializers.BooleanField(
        default=False, help_text="Report what every row would do, and write nothing."
    )
    examples: ClassVar = {"file": "(the bytes of the file)", "dryRun": True}


class CommitDryRunSerializer(Serializer):
    dryRunId = serializers.UUIDField(
        help_text="Import the file of this job, a dry run that has succeeded. Works once."
    )


class ImportSerializer(Serializer):
    """Fields of both types of body. The file is validated separately."""

    dryRun = serializers.BooleanField(default=False)
    dryRunId = serializers.UUIDField(required=False)


@dataclass(frozen=True)
class Prepared:
    """A stored file that is still pending, or the id of a dry run."""

    stored: StoredFile | None = None
    is_dry: bool = False
    dry_run_id: UUID | None = None


class ImportViewSet(BulkViewSet):
    """A BulkViewSet with `POST …/import`, which writes rows as the bulk operations do."""

    documented_errors: ClassVar = {"import_rows": ("CONFLICT", "INSUFFICIENT_STORAGE")}

    @extend_schema(
        request={"multipart/form-data": ImportFileSerializer, "application/json": CommitDryRunSerializer},
        responses={202: JobSerializer},
    )
    @action(
        detail=False, methods=["post"], url_path="import", parser_classes=[ImportParser, StrictJSONParser]
    )
    @idempotent(prepare="read_table", drop="drop_table")
    def import_rows(self, request: Any, *args: Any, prepared: Prepared, **kwargs: Any) -> Response:
        """Import from a file. Valid rows are stored, invalid ones reported by number in the `result` of the job. A row
        with an `id` changes that object, or creates it under this id; absent columns are not changed. With `dryRun`
        nothing is stored; its `dryRunId` then imports the same file."""
        kind = kind_of(type(self), "import")
        with transaction.atomic():
            if prepared.stored is not None:
                files.confirm(prepared.stored)
                source = prepared.stored
            else:
                source = file_of_dry_run(user=request.user, kind=kind, pk=prepared.dry_run_id)
            parameters = {"dryRun": prepared.is_dry, "filename": source.filename, "path": request.path_info}
            if prepared.dry_run_id is not None:
                parameters["dryRunId"] = str(prepared.dry_run_id)
            job = enqueue_job(user=request.user, kind=kind, parameters=parameters, source_file=source)
        return accepted(job)

    def read_table(self, request: Any, *args: Any, **kwargs: Any) -> Prepared:
        if not request.user.is_authenticated:
            self.refuse()  # a job has an owner
        body = ImportSerializer(data=request.data)
        if prefers_strict(request):
            refuse_unknown_names(request.data, {*body.fields, FIELD})
        body.is_valid(raise_exception=True)
        is_dry, dry_run_id = body.validated_data["dryRun"], body.validated_data.get("dryRunId")
        if dry_run_id is not None:
            if "file" in request.data:
                message = "Either a file or dryRunId: the dry run has its own file."
                raise FieldError("dryRunId", "invalid", message)
            if is_dry:
                raise FieldError("dryRun", "invalid", "A dry run is committed by dryRunId alone.")
            return Prepared(dry_run_id=dry_run_id)
        upload = uploaded_file(request.data)
        table = open_table(cast(Any, upload.file), Importer(self).known)
        upload.seek(0)
        stored = files.store(
            upload.chunks(),
            user=request.user,
            content_type=CONTENT_TYPES[table.format],
            filename=str(upload.name),
            size=upload.size,
        )
        return Prepared(stored, is_dry)

    def drop_table(self, prepared: Prepared) -> None:
        if prepared.stored is not None:
            files.delete_now(prepared.stored)


runs("*.import")(import_table)


def file_of_dry_run(*, user: Any, kind: str, pk: UUID | None) -> StoredFile:
    """Detach the file from its dry run, which can be committed once, in the caller's transaction. Raises FieldError
    without such a dry run, ApiError CONFLICT if it has no file."""
    runs = Job.objects.visible_to(user).filter(kind=kind, parameters__dryRun=True)
    dry_run = runs.select_for_update(of=("self",)).select_related("source_file").filter(pk=pk).first()
    if dry_run is None:
        raise FieldError("dryRunId", "does_not_exist", "You have no dry run with this id.")
    if dry_run.status != Job.Status.SUCCEEDED:
        message = f"This dry run is {dry_run.status}; only one that has succeeded counts."
        raise ApiError("CONFLICT", message=message)
    source: StoredFile | None = dry_run.source_file
    if source is None:
        message = "This dry run was imported already, or its file was deleted after seven days."
        raise ApiError("CONFLICT", message=message)
    dry_run.source_file = None
    dry_run.save_changes("source_file")
    return source
