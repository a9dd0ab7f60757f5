"""Resources, tags and attachments in the admin."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.admin.base import BaseAdmin, TrashFilter
from core.admin.forms import VersionedForm
from core.admin.rows import RowAdmin
from core.audit import services as audit
from core.db.search import NEWEST
from core.files.attachments.admin import BaseAttachmentAdmin
from resources import services
from resources.models import MAX_NAME_INPUT, MAX_TAGS, Attachment, Resource, Tag, canonical_name

MAX_NAME = Tag._meta.get_field("name").max_length or 0


class ResourceForm(VersionedForm):
    content = forms.CharField(required=False, strip=False, max_length=100_000, widget=AdminTextareaWidget)
    tag_names = forms.CharField(
        label="Tags",
        required=False,
        max_length=MAX_TAGS * (MAX_NAME_INPUT + 2),  # with their line breaks
        widget=forms.Textarea(attrs={"rows": 4, "cols": 40}),
        help_text=f"One tag a line, at most {MAX_TAGS}.",
    )

    class Meta:
        model = Resource
        fields = ("user", "title", "content", "status")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.fields["tag_names"].initial = "\n".join(self.instance.tag_list)

    def clean_content(self) -> str:
        """Return the stored content if only line ends differ, because browsers send each as CRLF."""
        sent: str = self.cleaned_data["content"].replace("\r\n", "\n")
        stored = self.instance.content
        return stored if sent == stored.replace("\r\n", "\n") else sent

    def clean_tag_names(self) -> list[str]:
        names = [canonical_name(line) for line in self.cleaned_data["tag_names"].splitlines() if line.strip()]
        if len(set(names)) > MAX_TAGS or any(len(name) > MAX_NAME for name in names):
            message = f"At most {MAX_TAGS} tags of {MAX_NAME} characters."
            raise ValidationError(message, code="max_length")
        return list(dict.fromkeys(names))


@admin.register(Resource)
class ResourceAdmin(RowAdmin):
    form = ResourceForm
    list_display = ("title", "user", "status", "created_at", "updated_at", "deleted_at")
    list_select_related = ("user",)
    list_filter: ClassVar[Any] = (*RowAdmin.list_filter, "status")
    search_fields = ("title",)
    search_help_text = _(
        "Beginnings of words in title, content or tags; the owner's email address; or the id of a resource, a user or a"
        " request. Words are searched in active resources, or with the filter in deleted ones."
    )
    autocomplete_fields = ("user",)
    fields = ("user", "title", "content", "status", "tag_names", *RowAdmin.row_fields)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Resource]:
        return super().get_queryset(request).defer("search_text")

    def find_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search as the API does, by the index of the rows that are not deleted. Few are in the trash."""
        rows: Any = queryset
        if search_term.strip():
            is_trash = request.GET.get(TrashFilter.parameter_name) == "yes"
            rows = rows.trashed() if is_trash else rows.not_deleted().order_by(*NEWEST)
            rows = rows.matching(search_term)
        return rows, False

    @admin.display(description="tags")
    def tag_names(self, resource: Resource) -> str:
        """Return the tags for users who may only view. For others the form has a field of this name."""
        return ", ".join(resource.tag_list)

    def save_model(self, request: HttpRequest, obj: Resource, form: Any, change: bool) -> None:
        values = form.cleaned_data
        if not change:
            given = {name: values[name] for name in ("user", "title", "content", "status")}
            created = services.create_resource(tags=values["tag_names"], **given)
            obj.pk = created.pk
            obj.refresh_from_db()
            self.record(request.user, "created", obj)
            return
        resource = self.newest(Resource.objects.with_tags(), form)
        before = visible(resource)
        sent = {name: values[name] for name in ("title", "content", "status") if name in form.changed_data}
        tags = values["tag_names"] if "tag_names" in form.changed_data else None
        services.update_resource(resource=resource, tags=tags, **sent)
        changes = audit.difference(before, visible(resource))
        if changes:
            self.record(request.user, "updated", resource, changes)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save nothing: the service has saved the tags."""


def visible(resource: Resource) -> dict[str, Any]:
    return {
        "title": resource.title,
        "content": resource.content,
        "status": resource.status,
        "tags": resource.tag_list,
    }


class TagForm(VersionedForm):
    class Meta:
        model = Tag
        fields = ("name",)

    def clean_name(self) -> str:
        return canonical_name(self.cleaned_data["name"])


@admin.register(Tag)
class TagAdmin(BaseAdmin):
    """Tags, which are created with the resources that have them."""

    form = TagForm
    list_display = ("name", "user", "resource_count", "created_at")
    list_select_related = ("user",)
    search_fields = ("name",)
    search_help_text = _(
        "A part of the name, the owner's email address, or the id of either or of a request."
    )
    ordering = ("-id",)
    sortable_by = ()
    fields = ("name", "user", "resource_count", "created_at", "updated_at")
    readonly_fields = ("user", "resource_count", "created_at", "updated_at")
    delete_consequence = "A tag of a resource that is not in the trash cannot be deleted."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        return super().get_queryset(request).with_resource_count()  # type: ignore[attr-defined]

    @admin.display(description="resources")
    def resource_count(self, tag: Any) -> int:
        return int(tag.resource_count)

    def save_model(self, request: HttpRequest, obj: Tag, form: Any, change: bool) -> None:
        actor: Any = request.user
        services.lock_tagged_resources(tag_id=obj.pk, owner_id=obj.user_id)
        tag = self.newest(Tag.objects.all(), form)
        services.rename_tag(tag=tag, name=form.cleaned_data["name"], actor=actor)

    def delete_model(self, request: HttpRequest, obj: Tag) -> None:
        actor: Any = request.user
        services.lock_tagged_resources(tag_id=obj.pk, owner_id=obj.user_id)
        services.delete_tag(tag=Tag.objects.select_for_update().get(pk=obj.pk), actor=actor)


@admin.register(Attachment)
class AttachmentAdmin(BaseAttachmentAdmin):
    search_fields = ("file__filename", "resource__title")
    search_keys = ("resource__user",)
    search_help_text = _(
        "A part of the file's name or of the resource's title, the owner's email address, or the id of any of them or"
        " of a request."
    )
