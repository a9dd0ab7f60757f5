"""Attachments of any object: a model (BaseAttachment), a viewset below that of the object, and its detail answers."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, ClassVar, cast

from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet
from rest_framework.response import Response

from core.api.caller import view_of
from core.api.etags import check_if_match, not_modified, with_links
from core.api.idempotency import idempotent
from core.api.viewsets import BaseViewSet
from core.audit import services as audit
from core.db.access import owner_id_of
from core.files import services as files
from core.files.attachments.serializers import AttachmentSerializer, UploadSerializer, shown
from core.files.content_types import IMAGES, type_of
from core.files.images import reencode
from core.files.models import BaseAttachment, StoredFile
from core.files.uploads import UploadParser, uploaded_file
from core.web.errors import ApiError

MAX_ATTACHMENTS = 20
CHUNK_BYTES = 64 * 1024


class TooManyAttachments(ApiError):
    code = "CONFLICT"


# --- the rules -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prepared:
    """Stored, and not kept yet."""

    file: StoredFile
    thumbnail: StoredFile | None = None
    width: int | None = None
    height: int | None = None

    @property
    def files(self) -> list[StoredFile]:
        return [item for item in (self.file, self.thumbnail) if item is not None]


def prepare(*, upload: UploadedFile, owner: Any, actor: Any) -> Prepared:
    """Check what it is, make an image anew, and store it, pending. Outside any transaction: it takes its time."""
    source = cast(IO[bytes], upload.file)
    name = str(upload.name)
    kind = type_of(source, name)
    if kind not in IMAGES:
        return Prepared(
            files.store(chunks(source), user=owner, content_type=kind, filename=name, size=upload.size)
        )
    picture = reencode(source, user=actor)
    try:
        made = [
            (picture.image, picture.content_type),
            (picture.thumbnail, picture.thumbnail_type),
        ]
        stored: list[StoredFile] = []
        for content, content_type in made:
            try:
                size = content.seek(0, 2)
                stored.append(
                    files.store(
                        chunks(content), user=owner, content_type=content_type, filename=name, size=size
                    )
                )
            except BaseException:
                drop(stored)
                raise
    finally:
        picture.close()
    return Prepared(stored[0], stored[1], picture.width, picture.height)


def chunks(content: IO[bytes]) -> Iterator[bytes]:
    content.seek(0)
    while chunk := content.read(CHUNK_BYTES):
        yield chunk


def drop(stored: list[StoredFile]) -> None:
    for item in stored:
        files.delete_now(item)


def attach(*, to: Any, model: type[BaseAttachment], prepared: Prepared, actor: Any) -> BaseAttachment:
    """The caller holds the row of `to`. Raises TooManyAttachments."""
    refuse_more(to)
    with transaction.atomic():
        for stored in prepared.files:
            files.keep(stored)
        attachment: BaseAttachment = model.objects.create(
            file=prepared.file,
            thumbnail=prepared.thumbnail,
            width=prepared.width,
            height=prepared.height,
            **{model.parent: to},
        )
        to.attachment_count += 1
        to.save_changes("attachment_count")
        changes: audit.Changes = {"attachments": [None, prepared.file.filename]}
        audit.record("attachment.created", actor_id=actor.pk, target=to, changes=changes)
    return attachment


def refuse_more(to: Any) -> None:
    if to.attachment_count >= MAX_ATTACHMENTS:
        raise TooManyAttachments(message=f"It has {MAX_ATTACHMENTS} attachments already, which is the most.")


def detach(*, attachment: Any, actor: Any) -> None:
    """The caller holds the row of what it is attached to. The bytes go after the commit."""
    to = getattr(attachment, attachment.parent)
    stored = [item for item in (attachment.file, attachment.thumbnail) if item is not None]
    with transaction.atomic():
        changes: audit.Changes = {"attachments": [attachment.file.filename, None]}
        audit.record("attachment.deleted", actor_id=actor.pk, target=to, changes=changes)
        attachment.delete()
        files.schedule_deletion(*stored)
        to.attachment_count -= 1
        to.save_changes("attachment_count")


# --- the views -------------------------------------------------------------------------------------


class AttachmentViewSet(BaseViewSet):
    """Below the objects of another viewset, in whose `{id}` they are. A subclass declares `queryset`, and `parents`:
    that other viewset. Its rows, its permissions and its object permissions decide: who may retrieve an object reads
    its attachments, and who may change it writes them."""

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
        """The viewset of the object, as it would serve the caller. Raises what its permissions raise."""
        key = self.parents.lookup_url_kwarg or self.parents.lookup_field
        method = "GET" if action == "retrieve" else "PATCH"
        kwargs = {key: self.kwargs["id"]}
        view = view_of(self.parents, self.request.user, {}, action, method, **kwargs)
        view.check_permissions(view.request)
        return view

    def get_parent(self) -> Any:
        return self.parent_view("retrieve").get_object()

    def get_writable_parent(self, *, locked: bool = False) -> Any:
        """Raises PermissionDenied where the caller may only read it."""
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
        self.requested_fields()  # raises for a wrong one, also where the object is unchanged
        self.get_parent()
        attachment = self.get_object()
        return not_modified(request, attachment.etag) or self.answer(attachment)

    def answer(self, instance: Any, status: int = 200, **headers: str) -> Response:
        made_at = int(time.time())
        etag = with_links(instance.etag, made_at)
        return self.response_with(shown(instance, made_at), etag, status, **headers)

    def take_upload(self, request: Any, *args: Any, **kwargs: Any) -> Prepared:
        parent = self.get_writable_parent()
        refuse_more(parent)
        owner = get_user_model()._default_manager.filter(pk=owner_id_of(parent)).first()
        return prepare(upload=uploaded_file(request.data), owner=owner or request.user, actor=request.user)

    def drop_upload(self, prepared: Prepared) -> None:
        drop(prepared.files)

    @idempotent(prepare="take_upload", discard="drop_upload")
    def create(self, request: Any, *args: Any, prepared: Prepared, **kwargs: Any) -> Response:
        with transaction.atomic():
            parent = self.get_writable_parent(locked=True)
            model = self.queryset.model
            attachment = attach(to=parent, model=model, prepared=prepared, actor=request.user)
        return self.answer(attachment, 201, Location=f"{request.path}/{attachment.pk}")

    def destroy(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            parent = self.get_writable_parent(locked=True)
            attachment = self.get_object()
            check_if_match(request, attachment)
            setattr(attachment, attachment.parent, parent)
            detach(attachment=attachment, actor=request.user)
        return Response(status=204)


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
        return self.detail_serializer_class if self.action in self.detail_actions else self.serializer_class

    def response_with(self, data: Any, etag: str, status: int = 200, **headers: str) -> Response:
        """The serializer says how many there are; only where there are any, one query more brings them."""
        wanted = self.requested_fields()
        if wanted is not None and "attachments" not in wanted:
            return super().response_with(data, etag, status, **headers)
        if "attachments" not in data:  # an action with a serializer of its own
            return super().response_with(data, etag, status, **headers)
        if not data["attachments"]:
            return super().response_with({**data, "attachments": []}, etag, status, **headers)
        made_at = int(time.time())  # addresses run out
        rows = self.attachment_model.objects.filter(**{self.attachment_model.parent: data["id"]}).with_files()
        data = {**data, "attachments": [shown(row, made_at) for row in rows]}
        return super().response_with(data, with_links(etag, made_at), status, **headers)
