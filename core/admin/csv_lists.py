"""A list of the admin as a CSV file: its columns and filters, bounded, with cells that spreadsheets take for texts."""

from collections.abc import Iterator
from html import unescape
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from core.admin.lists import ListAdmin
from core.admin.panels import MAX_COUNTED_ROWS
from core.audit import services as audit
from core.db.search import MAX_MATCHES
from core.web.csv_cells import csv_pieces

BATCH = 500


class CsvAdmin(ListAdmin):
    """A list with a link to a file of it, for admins and for staff with the permission `export_<model>`, which a model
    may declare."""

    def has_export_permission(self, request: HttpRequest) -> bool:
        may_export = request.user.has_perm(f"{self.opts.app_label}.export_{self.opts.model_name}")
        return may_export and self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_csv"
        return [path("csv/", self.admin_site.admin_view(self.csv_view), name=name), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        context = {"has_export_permission": self.has_export_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def csv_view(self, request: HttpRequest) -> HttpResponseBase:
        """Return the rows of the list with the same parameters, MAX_COUNTED_ROWS at most."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        audit.record(f"{self.opts.model_name}.list_exported", actor_id=request.user.pk)
        columns = {name: self.label_of(name) for name in self.get_list_display(request)}
        name = f"{self.opts.model_name}-{timezone.now():%Y-%m-%d}.csv"
        return StreamingHttpResponse(
            csv_pieces([*columns.values()], self.cells_of(rows, columns)),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def label_of(self, column: Any) -> str:
        return capfirst(str(label_for_field(column, self.model, self)))

    def cells_of(self, rows: Any, columns: dict[Any, str]) -> Iterator[dict[str, Any]]:
        """Yield {label: value} of each row."""
        for batch in batches(rows):
            self.prepare_rows(batch)
            yield from ({label: self.cell(row, name) for name, label in columns.items()} for row in batch)

    def cell(self, row: Model, column: Any) -> Any:
        try:
            _field, _attribute, value = lookup_field(column, row, self)
        except ObjectDoesNotExist:
            return None
        if isinstance(value, SafeString):
            return unescape(strip_tags(value))
        return str(value) if isinstance(value, Model) else value


def batches(rows: Any) -> Iterator[list[Any]]:
    """Yield the rows in batches: their keys are read first, by one query. A search has few rows, and reads them by a
    slice."""
    if getattr(rows, "search", None) is not None:
        yield [*rows[:MAX_MATCHES]]
        return
    keys = [*rows.values_list("pk", flat=True)[:MAX_COUNTED_ROWS]]
    for start in range(0, len(keys), BATCH):
        yield [*rows.filter(pk__in=keys[start : start + BATCH])]
