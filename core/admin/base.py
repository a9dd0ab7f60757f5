"""The base of every ModelAdmin: services write, and a page shows why one of them has refused."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import ForeignKey, ManyToManyField, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from core.admin.actions import reason
from core.admin.bounded_forms import BoundedModelForm, KeysField
from core.admin.csv_lists import CsvAdmin
from core.admin.forms import KeySelect, StaleVersion, VersionedForm, refused
from core.admin.lists import BoundedPaginator, NullFilter
from core.admin.panels import Panel, list_of
from core.admin.row_actions import RowActionsAdmin
from core.audit.models import AuditEvent
from core.audit.refusals import record_forbidden
from core.web.errors import ApiError

MAX_ATTEMPTS = 3  # to render a form while its row is saved again and again


class BaseAdmin(CsvAdmin, RowActionsAdmin):
    """Services write, and leave the audit event with the staff user as its actor.

    Django's own log of admin actions is empty, because it would retain addresses of people after their erasure.
    Every admin must inherit this one: `manage.py check` refuses the others (config/admin.py).
    """

    form: Any = BoundedModelForm
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # a count of the table for each choice of each filter
    list_per_page = 50
    delete_confirmation_template = "admin/trash_confirmation.html"
    delete_consequence: ClassVar[Any] = ""

    # --- what a service refuses ---------------------------------------------------------------

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Mapping[str, Any] | None = None,
    ) -> Any:
        if "_saveasnew" in request.POST and not self.save_as:
            raise BadRequest  # Django would render the page of a row that does not exist
        context = {"show_save_and_add_another": False, **(extra_context or {})}
        for _attempt in range(MAX_ATTEMPTS):
            try:
                return super().changeform_view(request, object_id, form_url, context)
            except StaleVersion:  # the transaction was rolled back: the next form reads the newer row
                continue
            except ApiError as refusal:
                if refusal.code == "FORBIDDEN":
                    record_forbidden(request)
                request.refusal = refusal  # type: ignore[attr-defined]
        raise StaleVersion

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        """Return the form class. After a refusal by a service the form shows the reasons and the typed values."""
        form = super().get_form(request, obj, change, **kwargs)
        refusal = getattr(request, "refusal", None)
        return refused(form, refusal) if refusal else form

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField | None:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", KeySelect(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: Any = None, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField | None:
        kwargs.setdefault("form_class", KeysField)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        self.record_view(request, row)
        if row is not None:
            context |= {"buttons": [*self.buttons(request, row)], "panels": [*self.panels(request, row)]}
        return super().render_change_form(request, context, *args, **kwargs)

    def panels(self, request: HttpRequest, row: Any) -> Iterable[Panel]:
        """Return the tables below the form of the row. Override this method."""
        return ()

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        self.record_view(request, context["object"])
        return super().render_delete_form(request, context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Mapping[str, Any] | None = None
    ) -> Any:
        context = {"consequence": self.delete_consequence, **(extra_context or {})}
        try:
            return super().delete_view(request, object_id, context)
        except ApiError as refusal:
            if refusal.code == "FORBIDDEN":
                record_forbidden(request)
            messages.error(request, reason(refusal))
            return redirect(request.get_full_path())

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row or None. Django fails on an empty `_to_field`, which is treated as absent here."""
        return super().get_object(request, object_id, from_field or None)

    # --- editing ------------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = list(super().get_fields(request, obj))
        is_versioned = issubclass(self.form, VersionedForm) and obj is not None
        if is_versioned and self.has_change_permission(request, obj):
            fields.append("seen_version")
        return fields

    def newest(self, rows: QuerySet[Any], form: forms.ModelForm) -> Any:
        """Return the row as stored, locked until the transaction ends: the form has set its values on another object.
        Raises StaleVersion if the row has changed since the form was rendered."""
        row = rows.select_for_update(of=("self",)).get(pk=form.instance.pk)
        seen = form.cleaned_data.get("seen_version")
        if seen is not None and seen != row.version:
            raise StaleVersion
        return row

    # --- deleting and history -----------------------------------------------------------------

    def get_deleted_objects(
        self, objs: Sequence[Any] | QuerySet[Any], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Return the rows alone. Related rows are deleted later, when the row is erased."""
        return [str(item) for item in objs], {}, set(), []

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Mapping[str, Any] | None = None
    ) -> Any:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return redirect(audit_link(object_id))

    def log_change(self, *_args: Any, **_kwargs: Any) -> Any:
        """Write nothing: the service writes an audit event."""

    log_addition = log_deletions = log_change


class ReadOnlyAdmin(BaseAdmin):
    """The admin of rows that only the program itself writes."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_add_permission = has_delete_permission = has_change_permission


class TrashFilter(NullFilter):
    title = "state"
    parameter_name = "deleted"
    column = "deleted_at"
    shown = (("no", "Active"), ("yes", "Deleted"))


def audit_link(key: Any) -> str:
    """Return the URL of the audit events about the person or the object with this id."""
    return list_of(AuditEvent, q=key)
