"""Attachments of any object: a model (BaseAttachment), its viewset below that of the object, and a part of its body."""

import time
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from rest_framework.response import Response

from core.api.caller import view_of, without_query
from core.api.etags import check_if_match, not_modified, with_links
from core.api.idempotency import idempotent
from core.api.overrides import override_of
from core.api.read_eligibility import SHOWING_HOOKS
from core.api.viewsets import BaseViewSet
from core.db.access import owner_id_of
from core.files.attachments.serializers import AttachmentSerializer, UploadSerializer
from core.files.attachments.services import detach, drop, prepare, refuse_more
from core.files.models import BaseAttachment
from core.files.uploads import UploadParser, uploaded_file


class AttachmentViewSet(BaseViewSet):
    """Below the objects of another viewset, in whose `{id}` they are. A subclass declares `queryset`, and `parents`:
    that other viewset. Its rows, its permissions and its object permissions decide: who may retrieve an object reads
    its attachments, and who may change it writes them.

    Rules of an app go into `perform_create(serializer)`, `perform_destroy(instance)`, and serializers of its own: a
    `serializer_class`, and in `input_serializers` a subclass of UploadSerializer, whose further fields the
    `known_fields` of an UploadParser name.
    """

    parents: Any
    schema_title = "an attachment"
    serializer_class = AttachmentSerializer
    parser_classes = (UploadParser,)
    input_serializers: ClassVar = {"create": UploadSerializer}
    exposed: ClassVar = frozenset({"list", "create", "retrieve", "destroy"})
    lookup_url_kwarg = "attachmentId"
    sort_fields: ClassVar = {"createdAt": "created_at"}
    default_sort = "createdAt"
    documented_errors: ClassVar = {"create": ("CONFLICT", "INSUFFICIENT_STORAGE")}

    def parent_view(self, action: str) -> Any:
        """Return the viewset of the object, as it would serve the caller. Raises what its permissions raise."""
        key = self.parents.lookup_url_kwarg or self.parents.lookup_field
        method = "GET" if action == "retrieve" else "PATCH"
        kwargs = {**self.kwargs, key: self.kwargs["id"]}
        view = view_of(self.parents, without_query(self.request, method), action, **kwargs)
        view.check_permissions(view.request)
        return view

    def get_parent(self) -> Any:
        return self.parent_view("retrieve").get_object()

    def get_writable_parent(self, *, locked: bool = False) -> Any:
        """Return the object. Raises PermissionDenied where the caller may only read it."""
        view = self.parent_view("partial_update")
        if locked:
            return view.locked_object()
        parent = view.get_object()
        view.check_writable(parent)
        return parent

    def get_queryset(self) -> QuerySet[Any]:
        here = {f"{self.queryset.model.parent}__{self.parents.lookup_field}": self.kwargs["id"]}
        return super().get_queryset().filter(**here).with_files()  # type: ignore[attr-defined]

    def may_forbid(self) -> bool:
        view = self.parents()
        view.request, view.action = self.request, "retrieve"
        return super().may_forbid() or view.may_forbid()

    def list(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        self.get_parent()
        return self.list_response(self.get_queryset)

    def retrieve(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        self.get_parent()
        return super().retrieve(request, *args, **kwargs)

    def not_modified(self, etag: str) -> Response | None:
        """Return a 304, unless code of a subclass may show what changes without the version."""
        own = self.get_serializer_class() is not AttachmentSerializer
        own = own or override_of(type(self), among=SHOWING_HOOKS) is not None
        return None if own else not_modified(self.request, etag)

    def respond(self, instance: Any, status: int = 200, **headers: str) -> Response:
        made_at = int(time.time())
        context = {**self.get_serializer_context(), "made_at": made_at}
        data = self.get_serializer(instance, context=context).data
        etag = with_links(instance.etag, made_at)
        return self.response_with(data, etag, status, key=instance.pk, **headers)

    def take_upload(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the validated serializer of the upload, whose file is stored."""
        parent = self.get_writable_parent()
        refuse_more(parent)
        upload = uploaded_file(request.data)
        context: dict[str, Any] = {**self.get_serializer_context()}
        serializer = self.input_serializers["create"](data=request.data, context=context)
        self.validate(serializer)
        owner = get_user_model()._default_manager.filter(pk=owner_id_of(parent)).first()
        context["prepared"] = prepare(upload=upload, owner=owner or request.user, actor=request.user)
        return serializer

    def drop_upload(self, serializer: Any) -> None:
        drop(serializer.context["prepared"].files)

    @idempotent(prepare="take_upload", drop="drop_upload")
    def create(self, request: Any, *args: Any, prepared: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            prepared.context["parent"] = self.get_writable_parent(locked=True)
            attachment = self.perform_saving(self.perform_create, prepared)
        return self.respond(attachment, 201, Location=f"{request.path}/{attachment.pk}")

    def destroy(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            parent = self.get_writable_parent(locked=True)
            attachment = self.get_object()
            check_if_match(request, attachment)
            setattr(attachment, attachment.parent, parent)
            self.perform_destroy(attachment)
        return Response(status=204)

    def perform_destroy(self, instance: Any) -> None:
        detach(attachment=instance, actor=self.request.user)


class ShowsAttachments(BaseViewSet):
    """A BaseViewSet of a model that HasAttachments: its single objects show them, its lists do not.

    `detail_serializer_class` is its serializer with `attachments`, as ResourceDetailSerializer has it.
    """

    attachment_model: type[BaseAttachment]
    detail_serializer_class: Any
    detail_actions: ClassVar = frozenset(
        {"create", "retrieve", "update", "partial_update", "restore", "history"}
    )

    def get_serializer_class(self) -> Any:
        is_detail = self.action in self.detail_actions
        return self.detail_serializer_class if is_detail else super().get_serializer_class()

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        serializer: Any = super().get_serializer(*args, **kwargs)
        if kwargs.get("many"):  # such as the results of bulk operations, by the serializer of their route
            serializer.child.fields.pop("attachments", None)
        return serializer

    def response_with(
        self, data: Any, etag: str, status: int = 200, *, key: Any = None, **headers: str
    ) -> Response:
        """Put the attachments in place of their number. Where there are none, it costs no query."""
        requested = self.requested_fields()
        count = data.get("attachments") if requested is None or "attachments" in requested else None
        if isinstance(count, int):  # an action may have a serializer of its own
            made_at = int(time.time())  # addresses run out
            etag = with_links(etag, made_at) if count else etag
            data = {**data, "attachments": self.attachments_of(key, made_at) if count else []}
        return super().response_with(data, etag, status, key=key, **headers)

    def attachments_of(self, key: Any, made_at: int) -> list[Any]:
        """Return the attachments of the object, as the serializer shows them."""
        serializer: Any = self.get_serializer(context={**self.get_serializer_context(), "made_at": made_at})
        rows = self.attachment_model.objects.filter(**{self.attachment_model.parent: key}).with_files()
        shown: list[Any] = serializer.fields["attachments"].to_representation(rows)
        return shown
