"""The caller's jobs, and the downloads of their files."""

from typing import Any, ClassVar

import django_filters
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from core.api.etags import not_modified, with_links
from core.api.filters import MultiChoiceFilter
from core.api.routers import viewsets
from core.api.scopes import ScopedCredential, name_of, require_scope, verb_of
from core.api.serializers import ModelSerializer, VersionField
from core.api.viewsets import BaseViewSet
from core.files import services as files
from core.files.models import StoredFile
from core.files.views import checks_download
from core.jobs.models import Job
from core.jobs.schema import ERROR, RESULT
from core.jobs.services import dismiss_job, kind_of, may_have_file, result_for, without_summary
from core.web.errors import ApiError

POLL_SECONDS = 1  # in which a run writes its progress


class JobSerializer(ModelSerializer):
    result = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    version = VersionField()
    examples: ClassVar = {
        "kind": "resource.export",
        "status": "succeeded",
        "progress": 100,
        "startedAt": "2026-03-14T09:26:53.701244Z",
        "finishedAt": "2026-03-14T09:26:54.112030Z",
    }

    class Meta:
        model = Job
        fields = (
            *("id", "kind", "status", "progress", "result", "error"),
            *("version", "createdAt", "startedAt", "finishedAt"),
        )
        read_only_fields = fields

    @extend_schema_field(RESULT)
    def get_result(self, job: Job) -> Any:
        """Return the result with the URL of its file, which is valid for five minutes. The URL is None when the role of
        the caller is no longer that of the job, because the file may show rows that only that role may read. So is a
        summary, which in a list would cost a query for each job."""
        if job.has_summary:
            is_alone = self.parent is None
            return result_for(job, self.context["request"].user) if is_alone else without_summary(job)
        if job.result is None or "filename" not in job.result:
            return job.result
        stored = job.result_file if may_have_file(job, self.context["request"].user) else None
        url = stored and files.signed_url(stored, filename=job.result["filename"], made_at=job.links_made_at)
        return {**job.result, "url": url}

    @extend_schema_field(ERROR)
    def get_error(self, job: Job) -> Any:
        return job.error


def retry_after(job: Job) -> dict[str, str]:
    """Return the header with the time after which an unfinished job may differ."""
    return {} if job.finished_at else {"Retry-After": str(POLL_SECONDS)}


def accepted(job: Job) -> Response:
    """Return 202 with the URL of the job."""
    headers = {"Location": reverse("job-detail", args=[job.pk]), **retry_after(job)}
    return Response(JobSerializer(job).data, status=202, headers=headers)


class JobFilter(django_filters.FilterSet):
    status = MultiChoiceFilter(choices=Job.Status.choices)
    kind = django_filters.CharFilter(max_length=80, help_text="Such as `resource.export`.")

    class Meta:
        model = Job
        fields: tuple[str, ...] = ()


def scopes_of_kinds() -> dict[str, str | None]:
    """Return the name of the scopes by the beginning of the kind, such as {"resource": "resources"}; None for one that
    viewsets of different scopes share, by the names of their classes."""
    scopes: dict[str, str | None] = {}
    for each in viewsets():
        beginning, name = kind_of(each, "").partition(".")[0], name_of(each)
        scopes[beginning] = name if scopes.get(beginning, name) == name else None
    return scopes


def readable_by(key: ScopedCredential) -> Q:
    """Return the condition for the jobs whose kind the key may read."""
    readable = Q(pk__in=())
    for beginning, name in scopes_of_kinds().items():
        if f"{name}:read" in key.scopes:
            readable |= Q(kind__startswith=f"{beginning}.")
    return readable


class JobViewSet(BaseViewSet):
    """Background jobs of the caller, and their results."""

    queryset = Job.objects.select_related("result_file")
    serializer_class = JobSerializer
    filterset_class = JobFilter
    exposed: ClassVar = frozenset({"list", "retrieve", "destroy"})
    sort_fields: ClassVar = {"createdAt": "created_at"}
    documented_errors: ClassVar = {"destroy": ("CONFLICT",)}
    key_scope = None
    open_to_keys: ClassVar = exposed  # `check_scope` decides

    def check_scope(self, request: Any) -> None:
        """Raise ApiError FORBIDDEN unless the key has the scope of the job's kind. A list has these jobs only."""
        if self.action not in {"retrieve", "destroy"}:
            return
        own = Job.objects.visible_to(request.user).filter(pk=self.kwargs["pk"])
        kind = own.values_list("kind", flat=True).first()
        if kind is not None:
            name = scopes_of_kinds().get(kind.partition(".")[0])
            require_scope(request.auth, name, verb_of(self, str(request.method)))

    def list(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        if not isinstance(request.auth, ScopedCredential):
            return super().list(request, *args, **kwargs)
        rows = self.rows_in_state().filter(readable_by(request.auth))
        return self.list_response(lambda: rows)

    def retrieve(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Return the job, with the URL of its file if the caller may still read it."""
        self.requested_fields()  # raises for a wrong one, which no 304 may hide
        # No 304 after a change of role: the former response has the URL. None of a summary: it is shown or withheld
        # without a new version of the job.
        job = self.get_object()
        may_be_unchanged = not job.has_summary and may_have_file(job, request.user)
        unchanged = not_modified(request, job.etag) if may_be_unchanged else None
        return unchanged or self.respond(job)

    def respond(self, instance: Job, status: int = 200, **headers: str) -> Response:
        """Respond with an ETag that changes before the URL of the file expires."""
        linked = with_links(instance.etag, instance.links_made_at)
        has_link = instance.result_file_id and may_have_file(instance, self.request.user)
        etag = linked if has_link else instance.etag
        data = self.get_serializer(instance).data
        headers |= retry_after(instance)
        return self.response_with(data, etag, status, key=instance.pk, **headers)

    def destroy(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Cancel a job. A queued one is cancelled at once; a running one stops at its next step, within seconds,
        and its `result` counts the rows until then. Cancelling it again changes nothing. Of a finished job the files
        are deleted, which frees the quota; without any it is a 409, unless it was cancelled."""
        return super().destroy(request, *args, **kwargs)

    def perform_destroy(self, instance: Job) -> None:
        dismiss_job(job=instance, actor=self.request.user)

    def record(self, *_event: Any) -> None:
        """Record nothing: the service does."""


@checks_download
def check_permissions(stored: StoredFile) -> None:
    """Raise ApiError FORBIDDEN if the owner of a job's file has lost the role or the permissions that it ran with."""
    job = Job.objects.filter(result_file=stored.pk).first()
    if job is not None and not may_have_file(job, stored.user):
        raise ApiError("FORBIDDEN", message=_("This file was made under another role than yours is now."))
