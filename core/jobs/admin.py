"""Jobs, for staff: view, retry, cancel."""

import json
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin.base import ReadOnlyAdmin
from core.admin.lists import NameFilter
from core.jobs.models import Job
from core.jobs.services import cancel_job, known_kinds, retry_job

SHORT = 100


class JobKindFilter(NameFilter):
    title = parameter_name = "kind"
    names = staticmethod(known_kinds)


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = (
        *("kind", "status", "progress", "user", "attempts", "short_error", "created_at", "finished_at"),
    )
    list_filter = ("status", JobKindFilter)
    list_select_related = ("user",)
    search_fields = ("=user__email",)
    search_help_text = _("The id of a job, of its request or of its owner, or the owner's email address.")
    ordering = ("-id",)
    sortable_by = ("status", "kind", "created_at", "finished_at")
    actions = ("retry", "cancel")
    fields = (
        *("id", "kind", "user", "role", "status", "progress", "attempts", "last_error", "request_id"),
        *("formatted_parameters", "formatted_result", "error"),
        *("created_at", "due_at", "started_at", "lease_until", "cancel_requested_at", "finished_at"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("position")

    def find_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip().lower()
        if "@" in term:
            user_model: Any = get_user_model()
            term = user_model.normalize_username(term)
        return super().find_words(request, queryset, term)

    @admin.display(description="last error")
    def short_error(self, job: Job) -> str:
        text = job.last_error or (job.error or {}).get("message", "")
        return f"{text[:SHORT]}…" if len(text) > SHORT else text

    @admin.display(description="parameters")
    def formatted_parameters(self, job: Job) -> SafeString:
        return formatted(job.parameters)

    @admin.display(description="result")
    def formatted_result(self, job: Job) -> SafeString:
        return formatted(job.result)

    def has_change_jobs_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core_jobs.change_job")

    @admin.action(description="Retry the failed among these", permissions=["change_jobs"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> Any:
        done = _("Waiting to be run again")
        return self.on_each(request, queryset, lambda job: retry_job(job=job, actor=request.user), done)

    @admin.action(description="Cancel these", permissions=["change_jobs"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> Any:
        consequence = _("A running job stops at its next step. The rows that it has stored remain.")
        done = _("Cancelled, or stopping")
        return self.on_each(
            request,
            queryset,
            lambda job: cancel_job(job=job, actor=request.user),
            done,
            consequence=consequence,
        )


def formatted(value: Any) -> SafeString:
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))
