from typing import Any, ClassVar

from accounts.authentication import UserRequest
from core.api.mixins.changes import ChangesViewSet
from core.api.mixins.history import HistoryViewSet
from core.api.mixins.trash import TrashViewSet
from core.api.viewsets import BaseViewSet
from core.files.attachments.views import AttachmentViewSet, ShowsAttachments
from core.importexport.exports import ExportViewSet
from core.importexport.views import ImportViewSet
from core.summaries.views import SummaryViewSet
from resources import services
from resources.filters import ResourceFilter, TagFilter
from resources.models import Attachment, Resource, Tag
from resources.serializers import ResourceDetailSerializer, ResourceSerializer, TagSerializer


class ResourceViewSet(
    ShowsAttachments,
    ImportViewSet,
    ExportViewSet,
    SummaryViewSet,
    ChangesViewSet,
    HistoryViewSet,
    TrashViewSet,
):
    """The caller's resources. Admins get all resources by id, and in lists with `scope=all`."""

    request: UserRequest
    queryset = Resource.objects.with_tags()
    serializer_class = ResourceSerializer
    detail_serializer_class = ResourceDetailSerializer
    attachment_model = Attachment
    summary_fields = ("title", "content")
    filterset_class = ResourceFilter
    watched_lists: ClassVar = frozenset({"list"})
    sort_fields: ClassVar = {
        "createdAt": "created_at",
        "updatedAt": "updated_at",
        "title": "title_sort",
        "status": "status",
    }
    documented_errors: ClassVar = {"list": ("FORBIDDEN",)}


class ResourceAttachmentViewSet(AttachmentViewSet):
    """Attachments of a resource, for users who may see the resource."""

    request: UserRequest
    queryset = Attachment.objects.all()
    schema_name = "Attachment"
    parents = ResourceViewSet


class TagViewSet(BaseViewSet):
    """The caller's tags. They are created with the resources that have them."""

    request: UserRequest
    queryset = Tag.objects.with_resource_count()
    serializer_class = TagSerializer
    filterset_class = TagFilter
    watched_lists: ClassVar = frozenset({"list"})
    exposed: ClassVar = frozenset({"list", "retrieve", "partial_update", "destroy"})
    sort_fields: ClassVar = {"name": "name", "createdAt": "created_at"}
    default_sort = "name"
    documented_errors: ClassVar = {"partial_update": ("CONFLICT",), "destroy": ("CONFLICT",)}

    def locked_object(self) -> Any:
        services.lock_tagged_resources(tag_id=self.kwargs["pk"], owner_id=self.request.user.pk)
        return super().locked_object()

    def record(self, *_event: Any) -> None:
        """Record nothing: the services record the events of a tag."""

    def perform_destroy(self, instance: Tag) -> None:
        services.delete_tag(tag=instance, actor=self.request.user)
