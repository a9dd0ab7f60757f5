"""The jobs in the admin, where staff retry and cancel them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin.base import ReadOnlyAdmin
from core.admin.columns import as_json, short
from core.admin.lists import NameFilter
from core.admin.row_actions import RowAction
from core.jobs.models import Job
from core.jobs.services import cancel_job, known_kinds, retry_job, without_summary


class JobKindFilter(NameFilter):
    title = parameter_name = "kind"
    names = staticmethod(known_kinds)


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("kind", "status", "progress", "user", "short_error", "created_at", "finished_at")
    list_filter = ("status", JobKindFilter)
    list_select_related = ("user",)
    search_fields = ("user__email",)
    search_help_text = _("The id of a job, of its request or of its owner, or the owner's email address.")
    ordering = ("-id",)
    sortable_by = ()
    row_actions = (
        RowAction(
            name="retry",
            label=_("Retry"),
            run=lambda job, actor: retry_job(job=job, actor=actor),
            done=_("Waiting to be run again"),
            consequence=_(
                "A failed job is run again: an export from its beginning, an import from its last batch."
            ),
            permissions=("core_jobs.change_job",),
            applies=lambda job: job.status == Job.Status.FAILED,
        ),
        RowAction(
            name="cancel",
            label=_("Cancel"),
            run=lambda job, actor: cancel_job(job=job, actor=actor),
            done=_("Cancelled, or stopping"),
            consequence=_("A running job stops at its next step. The rows that it has stored remain."),
            permissions=("core_jobs.change_job",),
            applies=lambda job: not job.is_finished,
        ),
    )
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
        """Return none for other texts than keys and addresses: a job has no text to search in."""
        return (queryset.none() if search_term.strip() else queryset), False

    @admin.display(description="last error")
    def short_error(self, job: Job) -> str:
        return short(job.last_error or (job.error or {}).get("message", ""))

    @admin.display(description="parameters")
    def formatted_parameters(self, job: Job) -> SafeString:
        return as_json(job.parameters)

    @admin.display(description="result")
    def formatted_result(self, job: Job) -> SafeString:
        return as_json(without_summary(job))
