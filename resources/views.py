from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from accounts.authentication import UserRequest
from core.attachments import AttachmentViewSet, ShowsAttachments
from core.conditional import check_if_match
from core.errors import FieldError
from core.exporting import ExportViewSet
from core.history import HistoryViewSet
from core.import_views import ImportViewSet
from core.trash import TrashViewSet
from core.viewsets import BaseViewSet
from resources import services
from resources.filters import ResourceFilter, TagFilter
from resources.models import Attachment, Resource, Tag
from resources.serializers import ResourceDetailSerializer, ResourceSerializer, TagSerializer

SCOPE = OpenApiParameter("scope", enum=["all"], description="Everybody's resources; for an admin only.")


class ResourceViewSet(ShowsAttachments, ImportViewSet, ExportViewSet, HistoryViewSet, TrashViewSet):
    """The caller's resources. An admin reaches everybody's by id, and with `scope=all` in lists."""

    request: UserRequest
    queryset = Resource.objects.all()
    serializer_class = ResourceSerializer
    detail_serializer_class = ResourceDetailSerializer
    attachment_model = Attachment
    filterset_class = ResourceFilter
    compiled = True
    watched_lists: ClassVar = frozenset({"list", "trash"})
    watched_objects = True
    sort_fields: ClassVar = {
        "createdAt": "created_at",
        "updatedAt": "updated_at",
        "title": "title",
        "status": "status",
    }
    action_parameters: ClassVar = {"list": frozenset({"scope"})}
    documented_errors: ClassVar = {"list": ("FORBIDDEN",)}

    def get_queryset(self) -> QuerySet[Resource]:
        return super().get_queryset().with_tags()  # type: ignore[attr-defined]

    def get_trash(self) -> QuerySet[Resource]:
        return super().get_trash().with_tags()  # type: ignore[attr-defined]

    def listed_trash(self) -> QuerySet[Resource]:
        return self.get_trash().owned_by(self.request.user)  # type: ignore[attr-defined]

    @extend_schema(parameters=[SCOPE])
    def list(self, request: UserRequest, *args: Any, **kwargs: Any) -> Response:
        return self.answer_list(self.listed)

    def listed(self) -> QuerySet[Resource]:
        rows: Any = self.get_queryset()
        return rows if self.wants_all() else rows.owned_by(self.request.user)

    def shape(self) -> tuple[Any, ...]:
        return (*super().shape(), self.action == "list" and self.wants_all())

    def list_etag(self) -> str | None:
        return None if self.action == "list" and self.wants_all() else super().list_etag()

    def wants_all(self) -> bool:
        scope = self.request.query_params.get("scope")
        if scope not in {None, "all"}:
            raise FieldError("scope", "invalid", "The only scope is all.")
        if scope == "all" and not self.request.user.is_superuser:
            raise PermissionDenied
        return scope == "all"


class ResourceAttachmentViewSet(AttachmentViewSet):
    """What is attached to a resource; for whoever may see that."""

    request: UserRequest
    queryset = Attachment.objects.all()
    parents = Resource.objects.all()


class TagViewSet(BaseViewSet):
    """The caller's tags. They come into being with the resources that bear them."""

    request: UserRequest
    queryset = Tag.objects.all()
    serializer_class = TagSerializer
    filterset_class = TagFilter
    compiled = True
    watched_lists: ClassVar = frozenset({"list"})
    watched_objects = True
    exposed: ClassVar = frozenset({"list", "retrieve", "partial_update", "destroy"})
    sort_fields: ClassVar = {"name": "name", "createdAt": "created_at"}
    default_sort = "name"
    documented_errors: ClassVar = {"partial_update": ("CONFLICT",), "destroy": ("CONFLICT",)}

    def get_queryset(self) -> QuerySet[Tag]:
        return super().get_queryset().with_resource_count()  # type: ignore[attr-defined]

    def locked_object(self, queryset: QuerySet[Any] | None = None) -> Any:
        services.hold_bearers(tag_id=self.kwargs["pk"], owner_id=self.request.user.pk)
        return super().locked_object(queryset)

    def record(self, *_event: Any) -> None:
        """The services record what happens to a tag."""

    def destroy(self, request: UserRequest, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            tag = self.locked_object()
            check_if_match(request, tag)
            services.delete_tag(tag=tag, actor=request.user)
        return Response(status=204)
