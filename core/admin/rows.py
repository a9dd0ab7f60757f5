"""The admin of a BaseModel: each change is a new version with its audit event, and deleted rows are in the trash."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.admin.base import BaseAdmin, TrashFilter
from core.admin.forms import VersionedForm
from core.audit import services as audit
from core.db.access import owner_id_of


class RowAdmin(BaseAdmin):
    """A subclass names its `fields`, and ends them with `row_fields`. Whose a row is does not change."""

    form: Any = VersionedForm
    row_fields = ("version", "created_at", "updated_at", "deleted_at")
    list_filter: ClassVar[Any] = (TrashFilter,)
    ordering = ("-id",)
    sortable_by = ()
    actions = ("move_to_trash", "restore")
    delete_consequence = _("Rows in the trash are erased %(days)d days later unless they are restored.") % {
        "days": settings.TRASH_RETENTION.days
    }

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        access = getattr(self.model, "access", None)
        fixed = access.paths - {"pk"} if access is not None and obj is not None else ()
        return (*super().get_readonly_fields(request, obj), *sorted(fixed), *self.row_fields)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.deleted_at is None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.deleted_at is None)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Store a new row, or what the form has changed as one new version of the stored one."""
        actor: Any = request.user
        if not change:
            obj.save()
            self.record(actor, "created", obj)
            return
        row = self.newest(self.model.objects.all(), form)
        names = [name for name in form.changed_data if name in form.cleaned_data and name != "seen_version"]
        before = {name: getattr(row, name) for name in names}
        for name in names:
            setattr(row, name, form.cleaned_data[name])
        changes = audit.difference(before, {name: getattr(row, name) for name in names})
        if changes:
            row.save_changes(*changes)
            self.record(actor, "updated", row, changes)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.trash(request, self.model.objects.select_for_update().get(pk=obj.pk))

    def trash(self, request: HttpRequest, row: Any) -> bool:
        if row.deleted_at is not None:
            return False
        row.soft_delete()
        self.record(request.user, "deleted", row)
        return True

    @admin.action(description=_("Move to the trash"), permissions=["delete"])
    def move_to_trash(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        def move(row: Any) -> bool:
            return self.trash(request, row)

        done = _("Moved to the trash")
        return self.on_each(request, queryset, move, done, consequence=self.delete_consequence)

    @admin.action(description=_("Restore"), permissions=["change"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        def restore_one(row: Any) -> bool:
            if row.deleted_at is None or is_of_deleted_user(row):
                return False
            row.restore()
            self.record(request.user, "restored", row)
            return True

        return self.on_each(request, queryset, restore_one, _("Restored"))

    def record(self, actor: Any, verb: str, row: Any, changes: audit.Changes | None = None) -> None:
        audit.record(f"{row._meta.model_name}.{verb}", actor_id=actor.pk, target=row, changes=changes)


def is_of_deleted_user(row: Any) -> bool:
    users = get_user_model()._default_manager
    return users.filter(pk=owner_id_of(row), deleted_at__isnull=False).exists()
