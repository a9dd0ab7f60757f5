"""Attachments, for staff: they may look, open and delete. Uploading is the owner's."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.admin.base import BaseAdmin
from core.admin.lists import targets_of
from core.files.attachments import services as attachments
from core.files.attachments.serializers import AttachmentSerializer


class BaseAttachmentAdmin(BaseAdmin):
    """The admin of a BaseAttachment. The URL of a file in the list is valid for 5 minutes, as everywhere."""

    list_display = ("filename", "attached_to", "content_type", "size", "created_at", "opened")
    ordering = ("-id",)
    sortable_by = ()
    fields = ("filename", "attached_to", "content_type", "size", "width", "height", "created_at", "opened")
    readonly_fields = fields
    delete_consequence = "The file is deleted for good."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).with_files().select_related(self.model.parent)  # type: ignore[attr-defined]

    def of_request(self, request_id: str) -> Q:
        """Return the condition as everywhere. The events of an attachment are about what it belongs to."""
        return Q(**{f"{self.model.parent}__in": targets_of(request_id, event__startswith="attachment.")})

    def personal(self, row: Any) -> Any:
        return getattr(row, row.parent)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="name")
    def filename(self, attachment: Any) -> str:
        return str(attachment.file.filename)

    @admin.display(description="attached to")
    def attached_to(self, attachment: Any) -> str:
        return str(getattr(attachment, attachment.parent))

    @admin.display(description="type")
    def content_type(self, attachment: Any) -> str:
        return str(attachment.file.content_type)

    @admin.display(description="size")
    def size(self, attachment: Any) -> str:
        return str(filesizeformat(attachment.file.size))

    @admin.display(description="file")
    def opened(self, attachment: Any) -> SafeString:
        address = AttachmentSerializer(attachment).data["url"]
        return format_html('<a href="{}" rel="noreferrer">open</a>', address)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        actor: Any = request.user
        parent = obj._meta.get_field(obj.parent).related_model
        held = parent._base_manager.select_for_update().get(pk=getattr(obj, f"{obj.parent}_id"))
        attachment = self.model._base_manager.get(pk=obj.pk)
        setattr(attachment, obj.parent, held)
        attachments.detach(attachment=attachment, actor=actor)
